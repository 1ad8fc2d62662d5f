import { hostname } from 'node:os';
import { Command, Option } from 'commander';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { KubeClient } from '../kube/client.ts';
import { EventRecorder } from '../kube/event-recorder.ts';
import { HealthServer } from '../kube/health-server.ts';
import { runAsLeader } from '../kube/leader-election.ts';
import { Manager } from '../kube/manager.ts';
import { createMetrics } from '../kube/metrics.ts';
import { HttpTransport, loadKubeconfig } from '../kube/transport.ts';
import { CalicoIpam } from '../network/ipam/calico-ipam.ts';
import { createControllers } from '../operator/controllers.ts';
import { connectCloud } from '../operator/open-stack-tenant/cloud-access.ts';

interface Options {
  readonly kubeconfig?: string;
  readonly metricsAddress: string;
  readonly identity: string;
  readonly namespace: string;
  readonly pauseImage: string;
  readonly network: 'native' | 'spliced';
  readonly openstack: boolean;
  readonly leaderElection: boolean;
  readonly logLevel: string;
}

const options = new Command('yado-operator')
  .description('turns VirtualMachine and Pod objects into anchors and pods')
  .option('--kubeconfig <file>', 'default: as kubectl finds it, or the service account')
  .option('--metrics-address <host:port>', 'where /healthz, /readyz and /metrics are served', '127.0.0.1:9401')
  .option('--identity <name>', 'unique among the candidates for leadership', `${hostname()}-${process.pid}`)
  .option('--namespace <name>', 'where the leadership lease lives', 'yadokari-system')
  .option('--pause-image <image>', 'image of the container that stands for a guest', 'localhost/yadokari/pause:1')
  .addOption(new Option('--network <mode>', 'native: addresses are ours to give and release; spliced: the CNI of the cluster gives them').choices(['native', 'spliced']).default('native'))
  .option('--openstack', 'mirror the projects of OpenStackTenants', false)
  .option('--no-leader-election', 'run without asking for leadership')
  .option('--log-level <level>', 'trace, debug, info, warn or error', 'info')
  .parse()
  .opts<Options>();

const log = createLog({ level: options.logLevel, fields: { component: 'operator' } });
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(`ended by ${signal}`)));

const metrics = createMetrics();
const config = loadKubeconfig(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig });
const client = new KubeClient(new HttpTransport(config), { observe: metrics.apiCalls });
const events = new EventRecorder({ client, controller: 'yadokari.dev/operator', instance: options.identity, log });
const { informers, background, controllers, disposables } = createControllers({
  client, events, log, namespace: options.namespace, clock: systemClock, metrics: metrics.controllers, anchor: { pauseImage: options.pauseImage, network: options.network },
  ...(options.network === 'native' ? { ipam: new CalicoIpam({ client }) } : {}),
  ...(options.openstack ? { connectCloud } : {}),
});
const { namespace, identity } = options;
const manager = new Manager({
  informers,
  background,
  controllers,
  disposables,
  log,
  ...(options.leaderElection ? { elect: (signal, lead) => runAsLeader({ client, namespace, name: 'yadokari-operator', identity, log }, signal, lead) } : {}),
});
const health = new HealthServer({ address: options.metricsAddress, registry: metrics.registry, ready: () => manager.ready });

try {
  await health.start();
  await manager.run(stop.signal);
  await events.flush();
} catch (error) {
  log.fatal({ error: messageOf(error) }, 'the operator ends');
  process.exitCode = 1;
} finally {
  await health[Symbol.asyncDispose]();
  client.close();
}
