import { getServers } from 'node:dns';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { Agent, type AgentOptions } from '../agent/agent.ts';
import { copyMetrics } from '../agent/copy-metrics.ts';
import { registerGuestMetrics } from '../agent/guest-metrics.ts';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { CriRuntime } from '../container/drivers/cri/runtime.ts';
import { KubeClient } from '../kube/client.ts';
import { EventRecorder } from '../kube/event-recorder.ts';
import { HealthServer } from '../kube/health-server.ts';
import { createMetrics } from '../kube/metrics.ts';
import { HttpTransport, loadKubeconfig, withIdentity } from '../kube/transport.ts';
import { NativeNetwork } from '../network/drivers/native/native-network.ts';
import { SplicedNetwork } from '../network/drivers/spliced/spliced-network.ts';
import { requestMetrics } from '../openstack/metrics.ts';
import { FolderDiskStore } from '../vm/disks/store.ts';
import { probeAcceleration } from '../vm/drivers/libvirt/acceleration.ts';
import { LibvirtHypervisor } from '../vm/drivers/libvirt/hypervisor.ts';
import { FolderImageStore } from '../vm/images/store.ts';

interface Options {
  readonly kubeconfig?: string;
  readonly node: string;
  readonly network: 'native' | 'spliced';
  readonly nodeAddress?: string;
  readonly metricsAddress: string;
  readonly stateDirectory: string;
  readonly runDirectory: string;
  readonly kubeletPort: string;
  readonly libvirtSocket: string;
  readonly containerdSocket: string;
  readonly podLogDirectory: string;
  readonly kubeletDirectory: string;
  readonly imageDirectory: readonly string[];
  readonly clusterDns?: readonly string[];
  readonly clusterDomain: string;
  readonly logLevel: string;
}

const program = new Command('yado-agent')
  .description("runs the guests of one node and the node's network")
  .requiredOption('--node <name>', 'name of the Node')
  .addOption(new Option('--network <mode>', "native: this agent is the node's network; spliced: guests are on the network of the cluster's own CNI").choices(['native', 'spliced']).default('native'))
  .option('--node-address <address>', 'address of this host that other nodes reach; the native network needs it')
  .option('--kubeconfig <file>', 'default: as kubectl finds it, or the service account')
  .option('--metrics-address <host:port>', 'where /healthz, /readyz and /metrics are served', '127.0.0.1:9402')
  .option('--state-directory <folder>', 'disks, images and network state', '/var/lib/yadokari')
  .option('--run-directory <folder>', 'sockets that lead into guests', '/run/yadokari')
  .option('--kubelet-port <number>', 'first of the ports at which the nodes that are guests here answer the API server', '10260')
  .option('--libvirt-socket <path>', "the host's libvirt", '/run/libvirt/libvirt-sock')
  .option('--containerd-socket <path>', 'the CRI of the host', '/run/containerd/containerd.sock')
  .option('--pod-log-directory <folder>', 'where the kubelet keeps container logs', '/var/log/pods')
  .option('--kubelet-directory <folder>', "the kubelet's own, where it publishes volumes", '/var/lib/kubelet')
  .option('--image-directory <folder...>', 'folders below which images of source file may lie', ['/var/lib/yadokari/import'])
  .option('--cluster-dns <address...>', 'name servers that guests are told (default: those that this program uses)')
  .option('--cluster-domain <domain>', "the cluster's DNS domain", 'cluster.local')
  .option('--log-level <level>', 'trace, debug, info, warn or error', 'info')
  .parse();
const options = program.opts<Options>();

const log = createLog({ level: options.logLevel, fields: { component: 'agent', node: options.node } });
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(`ended by ${signal}`)));

const { node, stateDirectory, clusterDomain } = options;
const guestsFolder = join(stateDirectory, 'guests');
const metrics = createMetrics();
const config = loadKubeconfig(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig });
const client = new KubeClient(new HttpTransport(config), { observe: metrics.apiCalls });
const events = new EventRecorder({ client, controller: 'yadokari.dev/agent', instance: node, log });
const runtime = new CriRuntime({ socket: options.containerdSocket });
const network: AgentOptions['network'] = (lookup, listener) => {
  const common = {
    stateDirectory: join(stateDirectory, 'network'),
    dns: { servers: options.clusterDns ?? getServers(), search: (namespace: string) => [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain] },
    log,
  };
  if (options.network === 'spliced') return new SplicedNetwork({ ...common, sandboxes: runtime, ...listener });
  const { nodeAddress } = options;
  return nodeAddress === undefined ? program.error('error: the native network needs --node-address <address>') : new NativeNetwork({ ...common, client, node, nodeAddress, lookup });
};
const hypervisor = new LibvirtHypervisor({
  socketPath: options.libvirtSocket,
  acceleration: () => probeAcceleration({ stateFolder: join(stateDirectory, 'hypervisor') }),
  log,
});
const agent = new Agent({
  client,
  node,
  hypervisor,
  network,
  images: new FolderImageStore({ folder: join(stateDirectory, 'images') }),
  disks: new FolderDiskStore(guestsFolder),
  runtime,
  imageDirectories: options.imageDirectory,
  connectCloud: async (settings, signal) => {
    // Hosts where nothing is copied never load it.
    const { OpenStackCloud } = await import('../openstack/cloud.ts');
    return OpenStackCloud.connect(settings, { signal, observer: requestMetrics(metrics.registry, settings.name) });
  },
  observeCopies: copyMetrics(metrics.registry),
  runDirectory: options.runDirectory,
  virtualNodes: async (pods) => {
    // A good part of the program, which hosts without such guests never load.
    const { createVirtualNodes } = await import('../agent/virtual-nodes/create.ts');
    return createVirtualNodes({
      client, events, log,
      clock: systemClock,
      network: pods,
      clientAs: (certificate, key) => new KubeClient(new HttpTransport(withIdentity(config, certificate, key)), { observe: metrics.apiCalls }),
      runDirectory: options.runDirectory,
      guestsFolder,
      hostAddress: options.nodeAddress ?? '127.0.0.1',
      firstKubeletPort: Number(options.kubeletPort),
      dns: { servers: options.clusterDns ?? getServers(), domain: clusterDomain },
    });
  },
  podLogDirectory: options.podLogDirectory,
  kubeletDirectory: options.kubeletDirectory,
  events,
  metrics: metrics.controllers,
  clock: systemClock,
  log,
});
registerGuestMetrics({ registry: metrics.registry, hypervisor, node, anchorOf: (guest) => agent.anchorOfGuest(guest), clock: systemClock, log });
const health = new HealthServer({ address: options.metricsAddress, registry: metrics.registry, ready: () => agent.ready });

try {
  await health.start();
  await agent.run(stop.signal);
  await events.flush();
} catch (error) {
  log.fatal({ error: messageOf(error) }, 'the agent ends');
  process.exitCode = 1;
} finally {
  await health[Symbol.asyncDispose]();
  client.close();
}
