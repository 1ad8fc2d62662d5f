import { readdir, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../base/process.ts';
import { destroyCgroup, detectHierarchies, removeIfEmpty } from './cgroup.ts';
import { networkOwner, removeHostNetwork } from './host-network.ts';
import { clusterCgroup, type ClusterLayout } from './layout.ts';
import { sweepVolumes } from './storage/sweep.ts';
import { networkPlan, type NetworkPlan } from './network-plan.ts';
import type { ClusterRecord } from './record.ts';

/**
 * Removes from the host's kernel all that a cluster made, whether it was stopped in order or its supervisor was killed:
 * processes (found by cgroup), cgroups, network namespaces, links, routes, rules and nft tables. Its folder stays.
 * Repeat it as often as you like.
 */
export async function sweepCluster(layout: ClusterLayout, record: ClusterRecord): Promise<void> {
  const plan = networkPlan(record.index);
  const hierarchies = await detectHierarchies();
  await destroyCgroup(hierarchies, clusterCgroup(layout.name));
  await removeIfEmpty(hierarchies, 'yadokari');
  for (const node of await readdir(layout.nodes).catch(() => [])) await sweepVolumes(join(layout.nodes, node));
  // While this cluster was down another may have taken its subnet, from a state folder of its own.
  const owner = await networkOwner(plan);
  if (owner === undefined || owner === layout.root) await sweepNetwork(plan);
  await rm(layout.run, { recursive: true, force: true });
  await unlink(layout.controlSocket).catch(() => {});
}

async function sweepNetwork(plan: NetworkPlan): Promise<void> {
  const namespaces = await readdir('/run/netns').catch(() => []);
  for (const name of namespaces.filter((name) => name.startsWith(`${plan.bridge}-`))) {
    await run('ip', ['link', 'del', name]).catch(() => {});
    await run('ip', ['netns', 'del', name]).catch(() => {});
  }
  await removeHostNetwork(plan);
}
