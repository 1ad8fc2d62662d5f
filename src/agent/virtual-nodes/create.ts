import { CriClient } from '../../container/drivers/cri/client.ts';
import { VirtualNodeMaterials } from '../../container/kubelet/materials/pod-materials.ts';
import { VirtualKubelet } from '../../container/kubelet/virtual-kubelet.ts';
import { HttpLink } from '../../container/link/http-link.ts';
import { SerialConnector } from '../../container/link/serial-connector.ts';
import { relaySocket, runtimeSocket } from '../relay-paths.ts';
import { VirtualNodes, type VirtualNodesOptions } from './virtual-nodes.ts';

export interface CreateVirtualNodesOptions extends Omit<VirtualNodesOptions, 'cri' | 'kubelet' | 'link'> {
  /** Where sockets that lead into guests are. */
  readonly runDirectory: string;
}

/** Virtual nodes on the real parts: guests reached by their virtio-serial port, and the CRI of the containerd in them. */
export function createVirtualNodes({ runDirectory, ...options }: CreateVirtualNodesOptions): VirtualNodes {
  const { clock, log } = options;
  return new VirtualNodes({
    ...options,
    cri: (socket) => new CriClient({ socket }),
    kubelet: (context, namespace) => new VirtualKubelet(context, new VirtualNodeMaterials(context, namespace)),
    link: (uid) => HttpLink.open({ connector: new SerialConnector(relaySocket(runDirectory, uid)), runtimeSocket: runtimeSocket(runDirectory, uid), clock, log }),
  });
}
