import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Informer } from '../../src/kube/informer.ts';
import { virtualMachines, type VirtualMachine } from '../../src/kube/yadokari.ts';
import { page, simulatedMachine, startSimulator, type Simulator } from '../env/simulator.ts';
import { startBenchCluster, type BenchCluster } from './bench-cluster.ts';
import { milliseconds, printFigures, type Figure } from './figures.ts';
import { MetricsPage, percentile } from './metrics-page.ts';

interface ScaleOptions {
  readonly machines: number;
  readonly nodes: number;
  /** Machines that are created a second. */
  readonly rate: number;
}

const NAMESPACE = 'default';
/** What is told last of a machine, such as its guest agent, comes this long after it is ready. */
const SETTLE_MS = 15_000;
const DELETIONS_AT_ONCE = 8;
const DEADLINE_MS = 1_800_000;

/** Many machines on simulated nodes, on a real Kubernetes with the real operator and agents. */
export async function benchScale(words: readonly string[]): Promise<void> {
  const options = optionsOf(words);
  await using cluster = await startBenchCluster('scale', '--cni', 'bridge');
  await using simulator = await startSimulator({ kubeconfig: cluster.kubeconfig, nodes: options.nodes, metricsAddress: '127.0.0.1:19403' });
  await using machines = new Machines(cluster);
  // One a node: all programs have then done each thing once.
  await machines.create('warm', options.nodes, options.rate);
  await machines.settled('warm', options.nodes);
  await machines.deleteAll();

  await measure(cluster, simulator, machines, options);
}

function optionsOf(words: readonly string[]): ScaleOptions {
  const { values } = parseArgs({ args: [...words], options: { machines: { type: 'string', default: '2000' }, nodes: { type: 'string', default: '200' }, rate: { type: 'string', default: '5' } } });
  return { machines: Number(values.machines), nodes: Number(values.nodes), rate: Number(values.rate) };
}

async function measure(cluster: BenchCluster, simulator: Simulator, machines: Machines, { machines: count, nodes, rate }: ScaleOptions): Promise<void> {
  const before = await snapshot(cluster, simulator);
  const begun = performance.now();
  await machines.create('vm', count, rate);
  await machines.settled('vm', count);
  const took = performance.now() - begun;
  await delay(SETTLE_MS);
  const after = await snapshot(cluster, simulator);
  const writes = (from: Snapshot, to: Snapshot): number => (to.operator.writes() + to.agents.writes() - from.operator.writes() - from.agents.writes()) / count;
  const queueMs = after.operator.quantile('workqueue_queue_duration_seconds', 'name="virtual-machine"', 0.99, before.operator) * 1000;
  const rss = after.operator.value('process_resident_memory_bytes');
  printFigures(`Scale: ${count} machines on ${nodes} simulated nodes, ${rate} created a second`, [
    { what: 'creation → guest runs, as the agent reports it', value: percentiles(machines.times('vm', 'guest')) },
    { what: 'creation → Running, P50 / P95 / P99', value: percentiles(machines.times('vm', 'running')), beside: 'KubeVirt on KWOK: 0.63 / 1.56 / 1.92 s', goal: 'P99 ≤ 1 s' },
    { what: 'creation → Ready, P50 / P95 / P99', value: percentiles(machines.times('vm', 'ready')) },
    { what: 'all of them Ready', value: milliseconds(took), beside: `created within ${milliseconds((count / rate) * 1000)}` },
    { what: 'API writes to create a VM, ours besides events', value: writes(before, after).toFixed(2), beside: 'KubeVirt: 27.6', goal: '≤ 8' },
    ...(['operator', 'agents'] as const).flatMap((who) => [...after[who].writesByCall()].map(([call, writes]): Figure => ({ what: `  ${who}: ${call}`, value: ((writes - (before[who].writesByCall().get(call) ?? 0)) / count).toFixed(2) }))),
    { what: 'queue of the operator, P99', value: milliseconds(queueMs), beside: 'KubeVirt: 7.0 s', goal: '< 100 ms' },
    { what: 'RSS of the operator', value: `${Math.round(rss / 1e6)} MB`, beside: 'KubeVirt: 2399 MB', goal: '< 400 MB' },
    ...[...after.cpuSeconds].map(([name, seconds]): Figure => ({ what: `CPU a created VM costs ${name}`, value: milliseconds(((seconds - (before.cpuSeconds.get(name) ?? 0)) / count) * 1000) })),
  ]);
  const deleting = performance.now();
  await machines.deleteAll();
  const deleteMs = performance.now() - deleting;
  await delay(SETTLE_MS);
  const end = await snapshot(cluster, simulator);
  printFigures('Their deletion', [
    { what: 'all of them deleted', value: milliseconds(deleteMs), beside: `${((count / deleteMs) * 1000).toFixed(0)} a second` },
    { what: 'API writes to delete a VM, ours besides events', value: writes(after, end).toFixed(2), goal: '≤ 4' },
  ]);
}

function percentiles(values: readonly number[]): string {
  return [0.5, 0.95, 0.99].map((share) => (percentile(values, share) / 1000).toFixed(2)).join(' / ') + ' s';
}

interface Snapshot {
  readonly operator: MetricsPage;
  readonly agents: MetricsPage;
  /** By process. */
  readonly cpuSeconds: ReadonlyMap<string, number>;
}

async function snapshot({ status }: BenchCluster, simulator: Simulator): Promise<Snapshot> {
  const gateway = (status.nodes[0]?.address ?? '').replace(/\.\d+$/, '.1');
  const [operator, agents] = await Promise.all([page(`http://${gateway}:9401/metrics`), page(simulator.metricsUrl)]);
  const processes = [...status.components.filter(({ name }) => /^(etcd|kube-|operator)/.test(name)), { name: 'agents and kubelets', pid: simulator.pid }];
  const seconds = await Promise.all(processes.map(async ({ name, pid }) => [name, await cpuSecondsOf(pid ?? 0)] as const));
  return { operator: new MetricsPage(operator), agents: new MetricsPage(agents), cpuSeconds: new Map(seconds) };
}

/** User and system time; clock ticks are hundredths of a second on Linux. */
async function cpuSecondsOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

interface Times {
  readonly created: number;
  guest?: number;
  running?: number;
  ready?: number;
}

/** Creates machines and sees what becomes of them. */
class Machines implements AsyncDisposable {
  readonly #cluster: BenchCluster;
  readonly #informer: Informer<VirtualMachine>;
  readonly #times = new Map<string, Times>();

  constructor(cluster: BenchCluster) {
    this.#cluster = cluster;
    this.#informer = new Informer(cluster.client, virtualMachines, { namespace: NAMESPACE });
    this.#informer.onChange(({ object }) => this.#see(object));
    this.#informer.start();
  }

  /** At a steady rate, whatever becomes of the earlier ones. */
  async create(prefix: string, count: number, rate: number): Promise<void> {
    const begun = performance.now();
    const calls: Promise<unknown>[] = [];
    for (let index = 0; index < count; index += 1) {
      const waitMs = begun + (index / rate) * 1000 - performance.now();
      if (waitMs > 0) await delay(waitMs);
      const name = `${prefix}-${index}`;
      this.#times.set(name, { created: performance.now() });
      calls.push(this.#cluster.client.create(virtualMachines, simulatedMachine(name, NAMESPACE)));
    }
    await Promise.all(calls);
  }

  /** Resolves once `count` machines of the prefix are ready. */
  settled(prefix: string, count: number): Promise<void> {
    return until(`${count} machines ready`, () => this.times(prefix, 'ready').length >= count);
  }

  /** Milliseconds from the create call, of all that came so far. */
  times(prefix: string, what: 'guest' | 'running' | 'ready'): readonly number[] {
    return [...this.#times].flatMap(([name, times]) => {
      const at = times[what];
      return at === undefined || !name.startsWith(`${prefix}-`) ? [] : [at - times.created];
    });
  }

  /** Deletes all that there is and waits until it is gone. */
  async deleteAll(): Promise<void> {
    // One by one: a request for all of them takes longer than the API server lets a request take.
    const rest = this.#informer.list().map(({ metadata }) => metadata.name);
    await Promise.all(Array.from({ length: DELETIONS_AT_ONCE }, async () => {
      for (let name = rest.shift(); name !== undefined; name = rest.shift()) await this.#cluster.client.delete(virtualMachines, { name, namespace: NAMESPACE });
    }));
    await until('no machine left', () => this.#informer.list().length === 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#informer[Symbol.asyncDispose]();
  }

  #see({ metadata, status }: VirtualMachine): void {
    const times = this.#times.get(metadata.name);
    if (times === undefined) return;
    if (status?.guest?.phase === 'Running') times.guest ??= performance.now();
    if (status?.printableStatus === 'Running') times.running ??= performance.now();
    if (status?.ready === true) times.ready ??= performance.now();
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + DEADLINE_MS; !holds(); await delay(200)) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${DEADLINE_MS / 60_000} minutes`);
  }
}
