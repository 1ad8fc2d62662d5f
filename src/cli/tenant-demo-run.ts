import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, YadoError } from '../base/errors.ts';
import { contextName, defaultClusterName } from '../local/layout.ts';
import { OpenStackPeer } from '../local/openstack/openstack-peer.ts';
import { seedTenant } from '../local/openstack/seed/tenant.ts';
import { fewServerPlans } from '../local/openstack/seed/tenant-servers.ts';
import { OpenStackCloud } from '../openstack/cloud.ts';
import { parseClouds } from '../openstack/clouds.ts';
import type { CliContext } from './context.ts';
import { withDemoCluster, type DemoCluster, type DemoLaunchOptions } from './demo-cluster.ts';
import { formatTable } from './table.ts';
import { makeDemoGuest } from './tenant-demo-guest.ts';
import { moveGuest, MOVED } from './tenant-demo-move.ts';
import { TENANT, TenantDemo } from './tenant-demo.ts';

/** What `--demo` calls it. */
export const TENANT_DEMO = 'tenant';
const REMOVAL_MS = 60_000;

/** A real OpenStack beside a local cluster, whose project is shown and operated there. */
export async function runTenantDemo(options: DemoLaunchOptions, context: CliContext): Promise<void> {
  // A pod of the chart's reaches no address of this host's loopback.
  if (options.chart) throw new YadoError('BadOptions', 'The demo of a tenant runs the operator beside its OpenStack: leave out --chart', { disposition: 'stalled' });
  const { progress, print, signal } = context;
  const begun = performance.now();
  // What is moved needs volumes here.
  const launch: DemoLaunchOptions = { ...options, storage: [...new Set<DemoLaunchOptions['storage'][number]>([...options.storage, 'local'])] };
  await withDemoCluster(launch, context, new Set(), async (cluster) => {
    progress.line('Beside it comes a real OpenStack: Keystone, Nova, Neutron, Glance, Cinder and Placement. The first time that takes minutes for its packages and databases, later about half a minute. Its servers are records only but for one, which boots and is moved here at the end.');
    await using openStack = await OpenStackPeer.start({ address: cluster.hostAddress, fakeHosts: 1, libvirt: true, environment: context.environment, install: options.packages, cacheFolder: join(options.cache, 'openstack'), progress, signal });
    const either = AbortSignal.any([signal, openStack.failed]);
    const tenant = await seedTenant(openStack.site, { name: TENANT.name, plans: fewServerPlans, progress, signal: either });
    const { cloudsYaml } = tenant;
    const servers = new Map([...tenant.servers, [MOVED, await makeDemoGuest({ site: openStack.site, tenant, name: MOVED, cache: options.cache, progress, signal: either })]]);
    const clouds = join(openStack.folder, 'clouds.yaml');
    await writeFile(clouds, cloudsYaml, { mode: 0o600 });
    await using cloud = await OpenStackCloud.connect(parseClouds(cloudsYaml), { signal: either });
    const demo = new TenantDemo({ client: cluster.client, cloud, cloudsYaml, servers, logs: cluster.layout.logs, progress, signal: either });
    await demo.mirror();
    print(`\n${await demo.compare()}\n`);
    print(`\n${formatTable(await demo.operate())}\n`);
    print(`\n${formatTable(await moveGuest({ client: cluster.client, cloud, server: servers.get(MOVED) ?? '', progress, signal: either }))}\n`);
    progress.line(`All of it took ${((performance.now() - begun) / 1000).toFixed(1)} s.`);
    if (!options.once) {
      print(nextCommands(options.name, cluster, clouds));
      await Promise.race([cluster.untilEnd(), untilAborted(openStack.failed)]);
    }
    // The OpenStack goes: what stays of the cluster is not to look for it.
    if (!options.once || !cluster.isOwn) await demo.remove(AbortSignal.timeout(REMOVAL_MS)).catch((error: unknown) => progress.line(`What mirrors the project is still in namespace ${TENANT.namespace}: ${messageOf(error)}`));
  });
}

/** Rejects with the signal's reason. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

function nextCommands(name: string, { kubeconfig }: DemoCluster, clouds: string): string {
  const cluster = name === defaultClusterName ? '' : ` --name ${name}`;
  const kubectl = `kubectl${kubeconfig === undefined ? '' : ` --context ${contextName(name)}`} -n ${TENANT.namespace}`;
  return [
    'Try:',
    `  ${kubectl} get ost,vm,itype,vmimage,pvc`,
    `  npx yado tenant status ${TENANT.name} -n ${TENANT.namespace}${cluster}`,
    `  npx yado stop bastion -n ${TENANT.namespace}${cluster}`,
    `  npx yado tenant rollback ${MOVED} -n ${TENANT.namespace}${cluster}`,
    `  export OS_CLIENT_CONFIG_FILE=${clouds}`,
    '  npx yado tenant discover',
    `  openstack --os-cloud ${TENANT.name} server list          (of Debian's python3-openstackclient)`,
  ].join('\n');
}
