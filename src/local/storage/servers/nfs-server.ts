import type { StorageBackendSpec } from '../../../api/storage-backend.ts';
import { leanNode } from '../../lean-node.ts';
import { nodeAddress, type NetworkPlan } from '../../network-plan.ts';

/** The node that has the server's disk: whoever makes volumes runs beside it. */
export const NFS_NODE = 'n1';
export const NFS_PORT = 2049;
const FOLDER = '/var/lib/yadokari/nfs';
const PATH = `${FOLDER}/volumes`;

/** Its disk is a sparse file, whole or not there; the loop device goes with the mount, and the mount with the node. */
const onItsDisk = `set -eu
mkdir -p ${PATH}
if [ ! -e ${FOLDER}/disk ]; then
  rm -f ${FOLDER}/disk.new
  truncate -s 16G ${FOLDER}/disk.new
  mkfs.btrfs --quiet ${FOLDER}/disk.new
  mv ${FOLDER}/disk.new ${FOLDER}/disk
fi
mountpoint -q ${PATH} || mount -o loop,commit=5 ${FOLDER}/disk ${PATH}
exec "$@"`;

/** The command of the server on its node. */
export function nfsServerCommand(plan: NetworkPlan, program: string, nodeExecutable: string): readonly string[] {
  return ['sh', '-c', onItsDisk, 'sh', ...leanNode(nodeExecutable), program, '--node', NFS_NODE, '--path', PATH, '--address', nfsAddress(plan), '--port', String(NFS_PORT), '--client', plan.subnet];
}

/** What a StorageBackend says of this server. */
export function nfsBackend(plan: NetworkPlan): StorageBackendSpec {
  return { nfs: { managed: { server: nfsAddress(plan), path: PATH, clients: [plan.subnet] } } };
}

export function nfsAddress(plan: NetworkPlan): string {
  return nodeAddress(plan, 1);
}
