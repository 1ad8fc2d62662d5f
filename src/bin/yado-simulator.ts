import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { KubeClient } from '../kube/client.ts';
import { HealthServer } from '../kube/health-server.ts';
import { createMetrics } from '../kube/metrics.ts';
import { HttpTransport, loadKubeconfig } from '../kube/transport.ts';
import { Simulation } from '../simulation/simulation.ts';

interface Options {
  readonly kubeconfig?: string;
  readonly nodes: number;
  readonly prefix: string;
  readonly cpu: string;
  readonly memory: string;
  readonly sandboxMs: number;
  readonly podMs: number;
  readonly startMs: number;
  readonly bootMs: number;
  readonly metricsAddress: string;
  readonly logLevel: string;
  readonly keepNodes: boolean;
}

const options = new Command('yado-simulator')
  .description('plays many nodes for tests of scale: the real agent on each, with simulated guests and a simulated kubelet')
  .option('--kubeconfig <file>', 'default: as kubectl finds it, or the service account')
  .option('--nodes <count>', 'how many', whole, 10)
  .option('--prefix <name>', 'nodes are named <prefix>-<number>', 'sim')
  .option('--cpu <count>', 'CPUs of a node', '64')
  .option('--memory <quantity>', 'memory of a node', '256Gi')
  .option('--sandbox-ms <ms>', 'from a bound pod to its sandbox with an address', whole, 300)
  .option('--pod-ms <ms>', 'from a bound pod to the report that it runs', whole, 900)
  .option('--start-ms <ms>', "from the hypervisor's start call to a running guest", whole, 300)
  .option('--boot-ms <ms>', "from a running guest to its agent's answer", whole, 3000)
  .option('--metrics-address <host:port>', 'where /healthz, /readyz and /metrics are served', '127.0.0.1:9403')
  .option('--no-keep-nodes', 'remove the Node objects at the end')
  .option('--log-level <level>', 'trace, debug, info, warn or error', 'warn')
  .parse()
  .opts<Options>();

const log = createLog({ level: options.logLevel, fields: { component: 'simulator' } });
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(`ended by ${signal}`)));

const { sandboxMs, podMs, startMs, bootMs, cpu, memory } = options;
const metrics = createMetrics();
const config = loadKubeconfig(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig });
const transport = new HttpTransport(config);
const folder = await mkdtemp(join(tmpdir(), 'yado-simulator-'));
const simulation = new Simulation({
  client: new KubeClient(transport, { observe: metrics.apiCalls }),
  kubeletClient: new KubeClient(transport),
  nodes: Array.from({ length: options.nodes }, (_, index) => `${options.prefix}-${index + 1}`),
  capacity: { cpu, memory, pods: '500' },
  sandboxMs, podMs, startMs, bootMs, folder,
  metrics: metrics.controllers,
  clock: systemClock,
  log,
});
const health = new HealthServer({ address: options.metricsAddress, registry: metrics.registry, ready: () => simulation.ready });

try {
  await health.start();
  await simulation.run(stop.signal);
  if (!options.keepNodes) await simulation.remove();
} catch (error) {
  log.fatal({ error: messageOf(error) }, 'the simulator ends');
  process.exitCode = 1;
} finally {
  await health[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
  transport.close();
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('must be a whole number');
  return value;
}
