import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { API_VERSION } from '../../src/api/group.ts';
import { run } from '../../src/base/process.ts';
import { CriClient } from '../../src/container/drivers/cri/client.ts';
import { isNotFound } from '../../src/kube/api-error.ts';
import { isTrue } from '../../src/kube/conditions.ts';
import { nodes, pods, type Pod } from '../../src/kube/core.ts';
import { virtualMachineImages, virtualMachines, yadoPods, type VirtualMachine, type YadoPod } from '../../src/kube/yadokari.ts';
import { clusterLayout } from '../../src/local/layout.ts';
import { readRecord } from '../../src/local/record.ts';
import { containerHostImages, containerHostImports, containerHostMachine, CONTAINER_IMAGE, insideOf } from '../env/container-host-objects.ts';
import { startBenchCluster, type BenchCluster } from './bench-cluster.ts';
import { median, milliseconds, printFigures, ratio, type Figure } from './figures.ts';
import { MetricsPage } from './metrics-page.ts';
import { PodFloor } from './pod-floor.ts';

const NAMESPACE = 'default';
const ROUNDS = 5;
const REQUESTS = 200;
const MEBIBYTES = 10;
/** Thirty pods take an emulated guest minutes to start, and as long to end. */
const PATIENCE_MS = 900_000;

const named = (name: string) => ({ name, namespace: NAMESPACE });
const containers = [{ name: 'c', image: CONTAINER_IMAGE, imagePullPolicy: 'Never', command: ['sleep', '100000'] }];

/** Pods in a machine beside what the machine's own runtime needs for them, in the same guest and by the same way in. `--at-once=N`: default 30. */
export async function benchPodsInVms(options: readonly string[] = []): Promise<void> {
  const atOnce = Number(/^--at-once=(\d+)$/.exec(options.find((option) => option.startsWith('--at-once=')) ?? '')?.[1] ?? 30);
  await using cluster = await startBenchCluster('bench-pods', ...(await containerHostImports()).flatMap((path) => ['--import', path]));
  const load = loadavg()[0] ?? 0;
  for (const image of containerHostImages) await cluster.client.create(virtualMachineImages, { ...image, metadata: named(image.metadata.name) });
  const started = performance.now();
  const uid = await startMachine(cluster, 'host', { maxPods: 60 });
  const nodeMs = performance.now() - started;

  using cri = runtimeOf(cluster, uid);
  await until(async () => (await cri.imageStatus(CONTAINER_IMAGE)) !== undefined);
  const floor = new PodFloor(cri, cluster.hypervisor, uid);
  await floor.start(CONTAINER_IMAGE, 1);
  await removed(cluster, await startPods(cluster, ['warm-up']));
  const figures: Figure[] = [];
  const parts: readonly (() => Promise<readonly Figure[]>)[] = [
    async () => [{ what: 'machine apply → its Node is Ready', value: milliseconds(nodeMs) }],
    async () => [await singleFigure(cluster, floor)],
    () => manyFigures(cluster, floor, atOnce),
    async () => [await isolatedFigure(cluster, nodeMs)],
    () => wayFigures(cluster, 'virtio-serial', 'host', cri),
    () => tlsFigures(cluster),
  ];
  // Emulated guests take a quarter of an hour: what is known is said at once.
  for (const part of parts) {
    const found = await part();
    for (const { what, value, beside = '' } of found) console.error(`${what}: ${value} ${beside}`.trimEnd());
    figures.push(...found);
  }
  const { acceleration } = await cluster.hypervisor.info();
  printFigures(`Pods in a machine: medians of ${ROUNDS} rounds, guests by ${acceleration}; load of the host ${load.toFixed(1)} before, ${(loadavg()[0] ?? 0).toFixed(1)} after`, figures);
}

/** Returns the machine's uid once it is a node. */
async function startMachine({ client }: BenchCluster, name: string, containerHost: NonNullable<VirtualMachine['spec']['containerHost']>): Promise<string> {
  const { metadata } = await client.create(virtualMachines, { ...containerHostMachine(name, { disk: '4Gi', spec: { memory: '1Gi', containerHost } }), metadata: named(name) });
  await until(async () => isTrue((await client.get(nodes, { name: `${name}.${NAMESPACE}` })).status?.conditions, 'Ready'));
  return metadata.uid ?? '';
}

function runtimeOf({ nodePid }: BenchCluster, uid: string): CriClient {
  return new CriClient({ socket: `/proc/${nodePid}/root/run/yadokari/guests/${uid}.cri` });
}

async function singleFigure(cluster: BenchCluster, floor: PodFloor): Promise<Figure> {
  const [ours, raw]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    raw.push(...await floor.start(CONTAINER_IMAGE, 1));
    const started = await startPods(cluster, [`single-${round}`]);
    ours.push(...started.values());
    await removed(cluster, started);
  }
  return ratio('pod apply → its container runs', ours, raw, "the guest's runtime alone", '≤ 1.3 ×');
}

async function manyFigures(cluster: BenchCluster, floor: PodFloor, atOnce: number): Promise<readonly Figure[]> {
  const raw = Math.max(...await floor.start(CONTAINER_IMAGE, atOnce));
  const before = await agentBytes(cluster);
  const started = await startPods(cluster, Array.from({ length: atOnce }, (_, index) => `many-${index}`));
  const after = await agentBytes(cluster);
  await removed(cluster, started);
  return [
    ratio(`${atOnce} pods at once → the last one runs`, [Math.max(...started.values())], [raw], "the guest's runtime alone", '≤ 1.3 ×'),
    { what: `memory of the agent for each pod (RSS, of ${atOnce})`, value: `${((after - before) / atOnce / 2 ** 20).toFixed(2)} MiB`, beside: `agent ${Math.round(before / 2 ** 20)} MiB before`, goal: '≤ 1 MiB' },
  ];
}

async function isolatedFigure({ client }: BenchCluster, nodeMs: number): Promise<Figure> {
  const pod: YadoPod = { apiVersion: API_VERSION, kind: 'Pod', metadata: named('alone'), spec: { placement: { isolated: { preload: 'container-images' } }, terminationGracePeriodSeconds: 1, containers } };
  const started = performance.now();
  await client.create(yadoPods, pod);
  await until(async () => (await client.get(yadoPods, pod.metadata)).status?.phase === 'Running');
  const runningMs = performance.now() - started;
  await client.delete(yadoPods, pod.metadata);
  return { what: 'isolated pod apply → Running', value: milliseconds(runningMs), beside: `machine → Node ${milliseconds(nodeMs)}: ${(runningMs / nodeMs).toFixed(2)} ×` };
}

/** A second machine, which is reached over the network. */
async function tlsFigures(cluster: BenchCluster): Promise<readonly Figure[]> {
  using cri = runtimeOf(cluster, await startMachine(cluster, 'host-tls', { transport: 'TLS' }));
  await until(async () => (await cri.imageStatus(CONTAINER_IMAGE)) !== undefined);
  return await wayFigures(cluster, 'TLS', 'host-tls', cri);
}

async function wayFigures(cluster: BenchCluster, way: string, machine: string, cri: CriClient): Promise<readonly Figure[]> {
  const figures = [await requestFigure(cri), ...await execFigures(cluster, machine)];
  return figures.map((figure) => ({ ...figure, what: `${way}: ${figure.what}` }));
}

async function requestFigure(cri: CriClient): Promise<Figure> {
  const took: number[] = [];
  for (let request = 0; request < REQUESTS; request += 1) {
    const started = performance.now();
    await cri.version();
    took.push(performance.now() - started);
  }
  return { what: "the runtime's Version", value: `${median(took).toFixed(1)} ms`, beside: `median of ${REQUESTS}` };
}

/** All of the way: API server, agent, way in, runtime. */
async function execFigures(cluster: BenchCluster, machine: string): Promise<readonly Figure[]> {
  const { folder, kubeconfig, status } = cluster;
  const kubectl = join((await readRecord(clusterLayout(folder, status.name)))?.binaries ?? '', 'kubectl');
  const started = await startPods(cluster, ['executor'], machine);
  const exec = async (input: string, ...command: readonly string[]): Promise<number> => {
    const begun = performance.now();
    await run(kubectl, ['--kubeconfig', kubeconfig, '-n', NAMESPACE, 'exec', '-i', 'executor', '--', ...command], { input, timeoutMs: PATIENCE_MS });
    return performance.now() - begun;
  };
  const bytes = MEBIBYTES * 2 ** 20;
  const empty = median([await exec('', 'true'), await exec('', 'true'), await exec('', 'true')]);
  const into = await exec('x'.repeat(bytes), 'wc', '-c') - empty;
  const outOf = await exec('', 'head', '-c', String(bytes), '/dev/zero') - empty;
  await removed(cluster, started);
  const rate = (ms: number): string => `${(MEBIBYTES / (ms / 1000)).toFixed(1)} MiB/s`;
  return [
    { what: 'kubectl exec true', value: milliseconds(empty) },
    { what: `kubectl exec, ${MEBIBYTES} MiB into a pod`, value: rate(into), beside: 'without what the call itself takes' },
    { what: `kubectl exec, ${MEBIBYTES} MiB out of a pod`, value: rate(outOf), beside: 'without what the call itself takes' },
  ];
}

/** Applies the pods at once; milliseconds until each is told to run. */
async function startPods({ client }: BenchCluster, names: readonly string[], machine = 'host'): Promise<ReadonlyMap<string, number>> {
  const started = performance.now();
  const running = new Map<string, number>();
  await Promise.all(names.map((name) => client.create(pods, podInside(name, machine))));
  await until(async () => {
    // One list for all: so many questions at once would take the processors away from what is measured.
    for (const { metadata: { name }, status } of (await client.list(pods, { namespace: NAMESPACE })).items) {
      if (names.includes(name) && !running.has(name) && status?.containerStatuses?.[0]?.state?.running !== undefined) running.set(name, performance.now() - started);
    }
    return running.size === names.length;
  });
  return running;
}

function podInside(name: string, machine: string): Pod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: named(name), spec: { ...insideOf(machine, NAMESPACE), terminationGracePeriodSeconds: 0, containers } };
}

async function removed({ client }: BenchCluster, started: ReadonlyMap<string, number>): Promise<void> {
  const names = [...started.keys()];
  await Promise.all(names.map((name) => client.delete(pods, named(name), { gracePeriodSeconds: 1 })));
  await Promise.all(names.map((name) => until(() => client.get(pods, named(name)).then(() => false, isNotFound))));
}

async function agentBytes({ status }: BenchCluster): Promise<number> {
  const answer = await fetch(`http://${status.nodes[0]?.address ?? ''}:9402/metrics`);
  return new MetricsPage(await answer.text()).value('process_resident_memory_bytes');
}

async function until(look: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await delay(20)) {
    if (await look().catch(() => false)) return;
  }
  throw new Error('what the benchmark waits for did not happen within a quarter of an hour');
}
