import { driverName, type StorageDriverKind } from '../../api/storage-drivers.ts';
import { leanNode } from '../lean-node.ts';
import type { NetworkPlan } from '../network-plan.ts';
import type { Sidecar, StorageKind, StorageRecord } from './record.ts';
import { NFS_NODE, NFS_PORT, nfsServerCommand } from './servers/nfs-server.ts';

export interface NodeCommand {
  /** Of the component, without the node. */
  readonly name: string;
  readonly command: readonly string[];
  /** Socket that is served once it runs; a path on the node. */
  readonly socket?: string;
  /** Port that is served once it runs, at the node's address. */
  readonly port?: number;
}

export interface NodeCommandsOptions {
  readonly storage: StorageRecord;
  readonly plan: NetworkPlan;
  readonly node: string;
  readonly nodeExecutable: string;
}

const KUBECONFIG = '/etc/yadokari/csi.kubeconfig';
const ELECTED = ['--leader-election', '--leader-election-namespace=yadokari-system'];
/** The one that says whether a backend is reached. */
const REPORTER = 'n1';

const DRIVERS: Readonly<Record<StorageKind, readonly StorageDriverKind[]>> = { local: ['local'], nfs: ['nfs'], ceph: ['rbd', 'cephfs'] };

/** What a node runs for its volumes, those first whom the others need. */
export function storageCommands(options: NodeCommandsOptions): readonly NodeCommand[] {
  return [...serverCommands(options), ...driverCommands(options)];
}

function serverCommands({ storage: { nfsProgram }, plan, node, nodeExecutable }: NodeCommandsOptions): readonly NodeCommand[] {
  if (nfsProgram === undefined || node !== NFS_NODE) return [];
  return [{ name: 'nfs-server', command: nfsServerCommand(plan, nfsProgram, nodeExecutable), port: NFS_PORT }];
}

function driverCommands({ storage: { kinds, driverProgram, sidecars, nfsProgram }, node, nodeExecutable }: NodeCommandsOptions): readonly NodeCommand[] {
  // Volumes of a server of ours are made beside it alone.
  const makesVolumes = (kind: StorageDriverKind): boolean => kind !== 'nfs' || nfsProgram === undefined || node === NFS_NODE;
  return kinds.flatMap((backend) => DRIVERS[backend].flatMap((kind) => {
    const socket = socketOf(kind, backend);
    const driver = [
      ...leanNode(nodeExecutable), driverProgram, '--backend', kind, '--storage-backend', backend, '--kubeconfig', KUBECONFIG, '--node', node,
      '--socket', socket, '--registration-folder', '/var/lib/kubelet/plugins_registry', ...(kind !== 'local' && node === REPORTER ? ['--report'] : []),
    ];
    return [
      // Only the nodes' own need nobody else to be there first.
      { name: `csi-${kind}`, command: driver, ...(kind === 'local' ? { socket } : {}) },
      ...(makesVolumes(kind) ? sidecarsOf(kind) : []).map(([program, args]) => ({
        name: `csi-${kind}-${program.replace('csi-', '')}`, command: [sidecars[program], `--csi-address=${socket}`, `--kubeconfig=${KUBECONFIG}`, ...args],
      })),
    ];
  }));
}

/** Those of volumes that one node has work for their own node alone; otherwise one of all works. */
function sidecarsOf(kind: StorageDriverKind): readonly (readonly [Sidecar, readonly string[]])[] {
  if (kind === 'local') {
    return [
      ['csi-provisioner', ['--node-deployment', '--strict-topology', '--immediate-topology=false', '--extra-create-metadata']],
      ['csi-snapshotter', ['--node-deployment']],
      // Any of them will do: nodes let the volumes grow themselves.
      ['csi-resizer', ELECTED],
    ];
  }
  return [['csi-provisioner', [...ELECTED, '--extra-create-metadata']], ['csi-attacher', ELECTED], ['csi-snapshotter', ELECTED], ['csi-resizer', ELECTED]];
}

function socketOf(kind: StorageDriverKind, backend: string): string {
  return `/var/lib/kubelet/plugins/${driverName(kind, backend)}/csi.sock`;
}
