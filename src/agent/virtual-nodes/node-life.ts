import { messageOf } from '../../base/errors.ts';
import type { Cri } from '../../container/cri.ts';
import type { PodManifest } from '../../container/kubelet/pod.ts';
import type { KubeletContext } from '../../container/kubelet/port.ts';
import { LinkError, type GuestInfo } from '../../container/link/port.ts';
import { KubeletServer } from '../../container/server/server.ts';
import type { KubeClient } from '../../kube/client.ts';
import { configMaps, nodes, pods, services, type Node, type Pod, type Service } from '../../kube/core.ts';
import { Informer } from '../../kube/informer.ts';
import { keyFor } from '../../kube/object.ts';
import { containerPath } from './container-path.ts';
import { CertificateError, nodeSubject } from './node-identity.ts';
import { NodeBeat } from './node-beat.ts';
import { NodeReviewer } from './node-reviewer.ts';
import { VirtualNodeAddresses } from './pod-addresses.ts';
import { NodePodReferences } from './pod-references.ts';
import { NodePodStatuses } from './pod-statuses.ts';
import type { VirtualGuest, VirtualNodeOptions } from './options.ts';

const SOON_MS = 300;

/**
 * One life of a node: from the guest's answer until it reboots, when this resolves, or until the signal aborts.
 * `client` has the node's own identity.
 */
export async function liveAsNode(options: VirtualNodeOptions, guest: VirtualGuest, client: KubeClient, signal: AbortSignal): Promise<void> {
  const { log, clock } = options;
  const { link, host: { node } } = guest;
  const info = await firstInfo(options, guest, signal);
  await using podInformer = new Informer(client, pods, { fieldSelector: `spec.nodeName=${node}`, log, clock });
  await using serviceInformer = new Informer(client, services, { log, clock, indexers: { namespace: ({ metadata }: Service) => [metadata.namespace ?? ''] } });
  await using nodeInformer = new Informer(client, nodes, { fieldSelector: `metadata.name=${node}`, log, clock });
  using cri = options.cri(link.runtimeSocket);
  for (const informer of [podInformer, serviceInformer, nodeInformer]) informer.start();
  await Promise.all([podInformer.waitForSync(signal), serviceInformer.waitForSync(signal), nodeInformer.waitForSync(signal)]);
  const runner = options.kubelet(contextOf(options, guest, { client, cri, info, services: serviceInformer, nodes: nodeInformer }), guest.namespace);
  podInformer.onChange(({ type, object }) => (type === 'deleted' ? runner.remove(object as PodManifest) : runner.upsert(object as PodManifest)));
  for (const pod of podInformer.list()) runner.upsert(pod as PodManifest);
  runner.markSynced();
  const rebooted = new AbortController();
  const serving = await serve(options, guest, { client, cri, pods: podInformer }, signal);
  try {
    const beat = new NodeBeat({ ...options, guest, client, nodes: nodeInformer, cri, info, kubeletPort: serving?.port });
    await Promise.all([runner.run(AbortSignal.any([signal, rebooted.signal])), beat.run(signal).finally(() => rebooted.abort(new Error('the guest was rebooted')))]);
  } finally {
    await serving?.server[Symbol.asyncDispose]();
  }
}

async function firstInfo({ clock, network }: VirtualNodeOptions, { link }: VirtualGuest, signal: AbortSignal): Promise<GuestInfo> {
  for (;;) {
    try {
      const info = await link.info(signal);
      await link.setNetwork({ mtu: network.mtu() }, signal);
      return info;
    } catch (error) {
      // It boots: the relay may be there before the network is.
      if (!(error instanceof LinkError)) throw error;
      await clock.sleep(SOON_MS, signal);
    }
  }
}

interface Life {
  readonly client: KubeClient;
  readonly cri: Cri;
  readonly info: GuestInfo;
}

function contextOf(options: VirtualNodeOptions, { host, link }: VirtualGuest, life: Life & { readonly services: Informer<Service>; readonly nodes: Informer<Node> }): KubeletContext {
  const { network, hostAddress, dns, events, clock, log } = options;
  const { client, cri, info } = life;
  return {
    cri,
    files: link.files,
    references: new NodePodReferences(client, life.services),
    addresses: new VirtualNodeAddresses({ ipam: network.ipam, link, node: host.node, clock }),
    statuses: new NodePodStatuses(client),
    settings: {
      node: host.node,
      hostAddress,
      clusterDns: dns.servers,
      clusterDomain: dns.domain,
      dns: { servers: dns.servers, searches: [] },
      cgroupVersion: info.cgroupVersion ?? 1,
      allocatable: { millicpu: Math.max(info.cpus * 1000 - host.reservedMillicpu, 0), memoryBytes: Math.max(info.memoryBytes - host.reservedBytes, 0) },
    },
    node: () => life.nodes.get(host.node),
    room: (signal) => link.pressure(signal),
    event: (about, { container, ...note }) => {
      const fieldPath = container === undefined ? undefined : containerPath(about, container);
      events.record(about, { ...note, ...(fieldPath === undefined ? {} : { fieldPath }) });
    },
    clock,
    log,
  };
}

/** The node's kubelet server. Without a signed certificate there is none: pods run, but logs and exec have nobody to ask. */
async function serve(options: VirtualNodeOptions, { host, link, certificates }: VirtualGuest, { client, cri, pods: known }: Omit<Life, 'info'> & { readonly pods: Informer<Pod> }, signal: AbortSignal): Promise<{ readonly server: KubeletServer; readonly port: number } | undefined> {
  const { clock, log, hostAddress, firstKubeletPort } = options;
  const { node } = host;
  try {
    const [signed, authentication] = await Promise.all([
      certificates.get('server', client, nodeSubject(node, [hostAddress]), signal),
      // https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/: who calls in the API server's name.
      options.client.get(configMaps, { namespace: 'kube-system', name: 'extension-apiserver-authentication' }, signal),
    ]);
    const server = new KubeletServer({
      node: {
        node, cri, link,
        pods: () => known.list() as readonly PodManifest[],
        pod: (namespace, name) => known.get(keyFor(namespace, name)) as PodManifest | undefined,
      },
      reviewer: new NodeReviewer(client, node),
      certificate: signed.certificate,
      key: signed.key,
      clientAuthorities: authentication.data?.['client-ca-file'] ?? '',
      address: hostAddress,
      firstPort: firstKubeletPort,
      clock,
      log,
    });
    return { server, port: await server.start() };
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    log.warn({ node, error: messageOf(error) }, 'the node has no certificate to serve with: logs and exec of its pods do not work');
    return undefined;
  }
}
