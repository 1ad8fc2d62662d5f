import { join } from 'node:path';
import { CriClient } from '../../container/drivers/cri/client.ts';
import { VirtualNodeMaterials } from '../../container/kubelet/materials/pod-materials.ts';
import { VirtualKubelet } from '../../container/kubelet/virtual-kubelet.ts';
import { HttpLink } from '../../container/link/http-link.ts';
import { SerialConnector } from '../../container/link/serial-connector.ts';
import { TlsConnector } from '../../container/link/tls-connector.ts';
import type { LinkConnector } from '../../container/link/connector.ts';
import type { Anchor } from '../anchor.ts';
import { ensureRelayKeys } from '../relay-keys.ts';
import { RELAY_PORT, relaySocket, runtimeSocket } from '../relay-paths.ts';
import { NodeCertificates } from './node-certificates.ts';
import { VirtualNodes, type VirtualNodesOptions } from './virtual-nodes.ts';

export interface CreateVirtualNodesOptions extends Omit<VirtualNodesOptions, 'cri' | 'kubelet' | 'link' | 'certificates'> {
  /** Where sockets that lead into guests are. */
  readonly runDirectory: string;
  /** Folders of guests, by the names that anchors have for them. */
  readonly guestsFolder: string;
}

/** Virtual nodes on the real parts: guests reached by their virtio-serial port or their address, and the CRI of the containerd in them. */
export function createVirtualNodes({ runDirectory, guestsFolder, ...options }: CreateVirtualNodesOptions): VirtualNodes {
  const { clock, log } = options;
  return new VirtualNodes({
    ...options,
    cri: (socket) => new CriClient({ socket }),
    kubelet: (context, namespace) => new VirtualKubelet(context, new VirtualNodeMaterials(context, namespace)),
    link: async (anchor, address) => HttpLink.open({ connector: await connectorOf(anchor, address), runtimeSocket: runtimeSocket(runDirectory, anchor.guest.uid), clock, log }),
    certificates: ({ folder }) => new NodeCertificates(join(guestsFolder, folder), clock),
  });

  async function connectorOf({ guest: { uid, containerHost }, folder }: Anchor, address: () => string): Promise<LinkConnector> {
    if (containerHost?.transport !== 'tls') return new SerialConnector(relaySocket(runDirectory, uid));
    const { authority, host } = await ensureRelayKeys(join(guestsFolder, folder), uid);
    return new TlsConnector({ host: address, port: RELAY_PORT, authority, serverName: uid, certificate: host.certificate, key: host.key });
  }
}
