import { readdir } from 'node:fs/promises';
import { readNetworkUse } from '../../local/host-network.ts';
import { ControlClient } from '../../local/control-client.ts';
import { clusterLayout } from '../../local/layout.ts';
import { conflictsOf, maximumClusters, networkPlan, type HostNetworkUse } from '../../local/network-plan.ts';
import { clusterNames, readRecord } from '../../local/record.ts';
import { missing, ok, warn, type Finding } from './check.ts';

export function subnetFinding(use: HostNetworkUse): Finding {
  const free = Array.from({ length: maximumClusters }, (_, index) => networkPlan(index)).filter((plan) => !use.reserved.has(plan.index) && conflictsOf(plan, use).length === 0);
  return free.length === 0
    ? missing('subnets', `none of ${maximumClusters} is free`, 'delete a cluster with `yado down --delete --name NAME`, or free some of 10.55.0.0/16 and 10.201-244.0.0/16')
    : ok('subnets', `${free.length} of ${maximumClusters} are free, next ${free[0]?.subnet} with pods in ${free[0]?.podPool}`);
}

export interface KnownCluster {
  readonly name: string;
  readonly index: number;
  readonly running: boolean;
}

/** Links and namespaces whose cluster has no supervisor any more. */
export function leftoverFinding(clusters: readonly KnownCluster[], links: ReadonlySet<string>, namespaces: readonly string[], stateRoot: string): Finding {
  const dead = clusters.filter(({ running }) => !running).filter(({ index }) => {
    const { bridge } = networkPlan(index);
    // Another state root's cluster may have the index by now; two that run never share one.
    const taken = clusters.some((other) => other.running && other.index === index);
    return !taken && (links.has(bridge) || namespaces.some((name) => name.startsWith(`${bridge}-`)));
  });
  if (dead.length > 0) {
    return warn('leftovers', `of ${dead.map(({ name }) => name).join(', ')}, whose supervisor is gone`, `${dead.map(({ name }) => `\`yado down --name ${name}\``).join(', ')} cleans up, and so does up`);
  }
  const running = clusters.filter((cluster) => cluster.running).map(({ name }) => name);
  const others = [...links].filter((link) => /^yado\d+$/.test(link) && !clusters.some(({ index }) => networkPlan(index).bridge === link));
  const elsewhere = others.length === 0 ? '' : `; ${others.length === 1 ? 'bridge' : 'bridges'} ${others.sort().join(', ')} of other state roots`;
  return ok('clusters', `${running.length === 0 ? 'none runs' : `${running.join(', ')} ${running.length === 1 ? 'runs' : 'run'}`} under ${stateRoot}${elsewhere}`);
}

export async function clusterFindings(stateRoot: string, signal: AbortSignal): Promise<readonly Finding[]> {
  const names = await clusterNames(stateRoot);
  const known = (await Promise.all(names.map(async (name): Promise<readonly KnownCluster[]> => {
    const layout = clusterLayout(stateRoot, name);
    const record = await readRecord(layout).catch(() => undefined);
    return record === undefined ? [] : [{ name, index: record.index, running: await new ControlClient(layout).running(signal) }];
  }))).flat();
  const [use, namespaces] = await Promise.all([readNetworkUse(), readdir('/run/netns').catch(() => [])]);
  return [subnetFinding({ ...use, reserved: new Set(known.map(({ index }) => index)) }), leftoverFinding(known, use.links, namespaces, stateRoot)];
}
