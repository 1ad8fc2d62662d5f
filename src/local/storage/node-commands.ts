import { driverName } from '../../api/storage-drivers.ts';
import { leanNode } from '../lean-node.ts';
import type { StorageKind, StorageRecord } from './record.ts';

export interface NodeCommand {
  /** Of the component, without the node. */
  readonly name: string;
  readonly command: readonly string[];
  /** Socket that is served once it runs; a path on the node. */
  readonly socket?: string;
}

const KUBECONFIG = '/etc/yadokari/csi.kubeconfig';

/** What a node runs for its volumes. Sidecars of volumes that one node has work for their own node alone. */
export function storageCommands({ kinds, driverProgram, sidecars }: StorageRecord, node: string, nodeExecutable: string): readonly NodeCommand[] {
  return kinds.flatMap((kind) => {
    const socket = socketOf(kind);
    const common = [`--csi-address=${socket}`, `--kubeconfig=${KUBECONFIG}`];
    return [
      { name: `csi-${kind}`, socket, command: [...leanNode(nodeExecutable), driverProgram, '--backend', kind, '--storage-backend', kind, '--kubeconfig', KUBECONFIG, '--node', node, '--socket', socket, '--registration-folder', '/var/lib/kubelet/plugins_registry'] },
      { name: `csi-${kind}-provisioner`, command: [sidecars['csi-provisioner'], ...common, '--node-deployment', '--strict-topology', '--immediate-topology=false', '--extra-create-metadata'] },
      { name: `csi-${kind}-snapshotter`, command: [sidecars['csi-snapshotter'], ...common, '--node-deployment'] },
      // Any of them will do: nodes let the volumes grow themselves.
      { name: `csi-${kind}-resizer`, command: [sidecars['csi-resizer'], ...common, '--leader-election', '--leader-election-namespace=kube-system'] },
    ];
  });
}

export function socketOf(kind: StorageKind): string {
  return `/var/lib/kubelet/plugins/${driverName(kind, kind)}/csi.sock`;
}
