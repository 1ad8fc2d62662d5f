import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalError } from './errors.ts';
import { readIfExists, writeFileAtomically } from './file.ts';
import type { CniChoice } from './node/foreign-cni.ts';
import { clusterLayout, type ClusterLayout } from './layout.ts';
import type { StorageRecord } from './storage/record.ts';

/** What a cluster is, and how its processes are started: all that the supervisor needs to know. */
export interface ClusterRecord {
  readonly version: 1;
  readonly name: string;
  /** Of the network plan. */
  readonly index: number;
  /** Number of nodes, named n1, n2, … */
  readonly nodes: number;
  /** Folder of the Kubernetes binaries, etcd and coredns. */
  readonly binaries: string;
  /** Absent in records of clusters that had no choice: native. */
  readonly cni?: CniChoice;
  /** CNI plugins to put into /opt/cni/bin of each node, by name. */
  readonly cniPlugins: Readonly<Record<string, string>>;
  /** OCI archives that each node has before its kubelet starts. */
  readonly images: readonly string[];
  /** Files that each node offers as sources of VirtualMachineImages, in /var/lib/yadokari/import. */
  readonly imports: readonly string[];
  /** Bundled programs of ours; absent ones are not run. */
  readonly operatorProgram?: string;
  readonly agentProgram?: string;
  /** Absent: the cluster has no volumes of ours. */
  readonly storage?: StorageRecord;
  /** Files and folders of YAML manifests to apply. */
  readonly manifests: readonly string[];
  /** The person's kubeconfig that has (or gets) our context. */
  readonly userKubeconfig?: string;
}

export async function readRecord(layout: ClusterLayout): Promise<ClusterRecord | undefined> {
  const text = await readIfExists(layout.record);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as ClusterRecord;
  } catch (cause) {
    throw new LocalError('BadClusterRecord', `${layout.record} is damaged; remove the cluster with \`yado down --delete --name ${layout.name}\`.`, { cause });
  }
}

export async function writeRecord(layout: ClusterLayout, record: ClusterRecord): Promise<void> {
  await writeFileAtomically(layout.record, `${JSON.stringify(record, null, 2)}\n`);
}

/** Names of all clusters under a state root, running or not. */
export async function clusterNames(stateRoot: string): Promise<readonly string[]> {
  const entries = await readdir(stateRoot).catch(() => []);
  const found = await Promise.all(entries.map(async (name) => ((await readIfExists(join(stateRoot, name, 'cluster.json')).catch(() => undefined)) === undefined ? [] : [name])));
  return found.flat().sort();
}

/** Indexes that the clusters under this root have recorded. */
export async function reservedIndexes(stateRoot: string): Promise<ReadonlySet<number>> {
  const records = await Promise.all((await clusterNames(stateRoot)).map((name) => readRecord(clusterLayout(stateRoot, name)).catch(() => undefined)));
  return new Set(records.flatMap((record) => (record === undefined ? [] : [record.index])));
}

export async function deleteState(layout: ClusterLayout): Promise<void> {
  await rm(layout.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
