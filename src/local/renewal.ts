import type { Progress } from '../base/progress.ts';
import type { ClusterStatus } from './cluster.ts';
import type { ControlClient } from './control-client.ts';
import { kubeconfigPath } from './control/commands.ts';
import { clusterManifests } from './control/cluster-manifests.ts';
import { applyAll } from './control/manifests.ts';
import { installPrograms, programPaths, type Program } from './installed-programs.ts';
import type { ClusterLayout } from './layout.ts';
import { networkPlan } from './network-plan.ts';
import { writeRecord, type ClusterRecord } from './record.ts';

/** A record without what is chosen at the first start. */
type WantedCluster = Omit<ClusterRecord, 'version' | 'index'>;

export interface RenewalOptions {
  readonly cluster: WantedCluster;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
  /** Default 120 000. */
  readonly timeoutMs?: number;
}

/** Brings a running cluster to what is asked now: manifests, our own programs, nodes. What else has changed waits for its next start, and is said. */
export async function renew(layout: ClusterLayout, before: ClusterRecord, options: RenewalOptions, client: ControlClient): Promise<void> {
  const { cluster, progress } = options;
  const timeout = AbortSignal.timeout(options.timeoutMs ?? 120_000);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  const { nodes, manifests, storage } = cluster;
  await writeRecord(layout, { ...before, nodes, manifests, ...(storage === undefined ? {} : { storage }) });
  const waiting = changesOf(before, { ...cluster, ...programPaths(layout, cluster) });
  if (waiting.length > 0) progress.line(`Changed: ${waiting.join(', ')}. That takes effect with \`yado down --name ${layout.name}\` and another up`);
  await progress.step(`Cluster ${layout.name} is running`, async (step) => {
    step.update('manifests');
    if ((await applyManifests(layout, before.index, { manifests, ...(storage === undefined ? {} : { storage }) }, signal)) === 'applied') progress.line('Applied the changed manifests');
    if (storage !== undefined && JSON.stringify(storage) !== JSON.stringify(before.storage)) {
      step.update('volumes');
      await client.renewStorage(signal);
      progress.line(`Volumes: ${storage.kinds.join(', ')}`);
    }
    await client.grow(nodes, signal);
    // Last, so that an interrupted renewal leaves the old ones in place and the next one sees the difference.
    const changed = await installPrograms(layout, cluster);
    for (const component of componentsOf(await client.status(signal), changed)) {
      step.update(`restarting ${component}`);
      await client.restartComponent(component, signal);
      progress.line(`Restarted ${component}: its program has changed`);
    }
  });
}

async function applyManifests(layout: ClusterLayout, index: number, wanted: Pick<ClusterRecord, 'manifests' | 'storage'>, signal: AbortSignal): Promise<'applied' | 'unchanged'> {
  // Loaded late: the kubeconfig library is slow to load, and a first up has no need of it.
  const [{ KubeClient }, { HttpTransport, loadKubeconfig }] = await Promise.all([import('../kube/client.ts'), import('../kube/transport.ts')]);
  const plan = networkPlan(index);
  const manifests = await clusterManifests(plan, wanted);
  const api = new KubeClient(new HttpTransport(loadKubeconfig({ kubeconfig: kubeconfigPath(layout, 'admin') })));
  try {
    return await applyAll(api, manifests, { signal, memory: layout.applied });
  } finally {
    api.close();
  }
}

/** What only a new start can change, in words for people. */
export function changesOf(before: WantedCluster, now: WantedCluster): readonly string[] {
  const parts = {
    'Kubernetes programs': ({ binaries }) => binaries,
    'CNI plugins': ({ cni, cniPlugins }) => [cni, cniPlugins],
    'container images': ({ images }) => images,
    'guest images': ({ imports }) => imports,
    'our programs': ({ operatorProgram, agentProgram }) => [operatorProgram, agentProgram],
  } satisfies Readonly<Record<string, (cluster: WantedCluster) => unknown>>;
  return Object.entries(parts).flatMap(([name, part]) => (JSON.stringify(part(before)) === JSON.stringify(part(now)) ? [] : [name]));
}

/** The running processes of these programs. */
function componentsOf(status: ClusterStatus, programs: readonly Program[]): readonly string[] {
  const all = [...status.components, ...status.nodes.flatMap(({ components }) => components)].map(({ name }) => name);
  return all.filter((name) => programs.some((program) => name === program || name.endsWith(`/${program}`)));
}
