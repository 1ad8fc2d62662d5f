import { driverName, type StorageDriverKind } from '../../api/storage-drivers.ts';
import { leanNode } from '../lean-node.ts';
import type { Sidecar, StorageKind, StorageRecord } from './record.ts';

export interface NodeCommand {
  /** Of the component, without the node. */
  readonly name: string;
  readonly command: readonly string[];
  /** Socket that is served once it runs; a path on the node. */
  readonly socket?: string;
}

const KUBECONFIG = '/etc/yadokari/csi.kubeconfig';
const ELECTED = ['--leader-election', '--leader-election-namespace=kube-system'];
/** The one that says whether a backend is reached. */
const REPORTER = 'n1';

const DRIVERS: Readonly<Record<StorageKind, readonly StorageDriverKind[]>> = { local: ['local'], nfs: ['nfs'], ceph: ['rbd', 'cephfs'] };

/** What a node runs for its volumes. */
export function storageCommands({ kinds, driverProgram, sidecars }: StorageRecord, node: string, nodeExecutable: string): readonly NodeCommand[] {
  return kinds.flatMap((backend) => DRIVERS[backend].flatMap((kind) => {
    const socket = socketOf(kind, backend);
    const driver = [
      ...leanNode(nodeExecutable), driverProgram, '--backend', kind, '--storage-backend', backend, '--kubeconfig', KUBECONFIG, '--node', node,
      '--socket', socket, '--registration-folder', '/var/lib/kubelet/plugins_registry', ...(kind !== 'local' && node === REPORTER ? ['--report'] : []),
    ];
    return [
      // Only the nodes' own need nobody else to be there first.
      { name: `csi-${kind}`, command: driver, ...(kind === 'local' ? { socket } : {}) },
      ...sidecarsOf(kind).map(([program, args]) => ({
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
  return [['csi-provisioner', [...ELECTED, '--extra-create-metadata']], ['csi-snapshotter', ELECTED], ['csi-resizer', ELECTED]];
}

function socketOf(kind: StorageDriverKind, backend: string): string {
  return `/var/lib/kubelet/plugins/${driverName(kind, backend)}/csi.sock`;
}
