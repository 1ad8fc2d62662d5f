import { join } from 'node:path';
import { LocalError } from './errors.ts';

/** Where a cluster keeps its things on the host. */
export interface ClusterLayout {
  readonly name: string;
  /** Everything of this cluster; deleted as a whole. */
  readonly root: string;
  readonly record: string;
  readonly lock: string;
  readonly controlSocket: string;
  readonly pki: string;
  readonly kubeconfigs: string;
  readonly logs: string;
  readonly etcd: string;
  /** Files made anew at each start: configurations and sockets of the host's own processes. */
  readonly run: string;
  readonly nodes: string;
  readonly applied: string;
  /** The state file: what the supervisor last saw, for those who come after its death. */
  readonly status: string;
}

export const defaultStateRoot = '/var/lib/yado';
export const defaultCacheRoot = '/var/cache/yadokari';
export const defaultClusterName = 'yadokari';

/** The longest socket path under a cluster's root must fit into the 108 bytes of a UNIX address. */
const longestSocket = '/control.sock'.length;

/** Throws LocalError when the name or the root cannot be used. */
export function clusterLayout(stateRoot: string, name: string): ClusterLayout {
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) {
    throw new LocalError('BadClusterName', `"${name}" cannot name a cluster: use up to 32 lower case letters, digits and dashes.`);
  }
  const root = join(stateRoot, name);
  if (root.length + longestSocket > 107) throw new LocalError('StatePathTooLong', `${root} is too long for sockets; choose a shorter --state-root.`);
  return {
    name,
    root,
    record: join(root, 'cluster.json'),
    lock: join(root, 'lock'),
    controlSocket: join(root, 'control.sock'),
    pki: join(root, 'pki'),
    kubeconfigs: join(root, 'kubeconfig'),
    logs: join(root, 'log'),
    etcd: join(root, 'etcd'),
    run: join(root, 'run'),
    nodes: join(root, 'nodes'),
    applied: join(root, 'applied.json'),
    status: join(root, 'status.json'),
  };
}

/** Path of a cluster's cgroup in every hierarchy, without a leading slash. */
export function clusterCgroup(name: string): string {
  return `yadokari/${name}`;
}

/** Name of the context, cluster and user in the person's kubeconfig. */
export function contextName(cluster: string): string {
  return cluster === defaultClusterName ? 'yadokari' : `yadokari-${cluster}`;
}
