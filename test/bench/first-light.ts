import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { run } from '../../src/base/process.ts';
import { isNotFound } from '../../src/kube/api-error.ts';
import { virtualMachineImages, virtualMachines, yadoPods, type VirtualMachine, type VirtualMachineImage, type YadoPod } from '../../src/kube/yadokari.ts';
import type { GuestDefinition, Hypervisor } from '../../src/vm/port.ts';
import { processesOf, proportionalSetSize, startBenchCluster, yado, type BenchCluster } from './bench-cluster.ts';
import { median, milliseconds, printFigures, ratio, type Figure } from './figures.ts';

const ROUNDS = 5;
const NAMESPACE = 'default';

/** From apply to a running guest, to an answer on its address, to nothing left; and what all of it costs. */
export async function benchFirstLight(): Promise<void> {
  await using cluster = await startBenchCluster('bench');
  const objects = parseAllDocuments(await readFile(join(import.meta.dirname, '../../deploy/examples/hello.yaml'), 'utf8')).map((document) => document.toJS() as Record<string, unknown>);
  const [image, machine, pod] = objects as unknown as [VirtualMachineImage, VirtualMachine, YadoPod];
  await cluster.client.create(virtualMachineImages, inNamespace(image));
  await once(cluster, machine, 'warm-up');

  const ours: Run[] = [];
  const raw: RawRun[] = [];
  const definition = await definitionOf(cluster, machine);
  for (let round = 0; round < ROUNDS; round += 1) {
    raw.push(await rawGuest(cluster, definition));
    ours.push(await once(cluster, machine, `bench-${round}`));
  }
  const figures: Figure[] = [
    { what: 'yado up to Ready, toolchain and images built', value: milliseconds(cluster.upMs), goal: '≤ 5 s' },
    ratio('VM apply → libvirt running', ours.map(({ runningMs }) => runningMs), raw.map(({ runningMs }) => runningMs), 'raw create', '≤ 1.3 ×'),
    ratio('VM apply → answers on its address', ours.map(({ answersMs }) => answersMs), raw.map(({ answersMs }) => answersMs), 'raw guest', '≤ 1.15 ×'),
    { what: 'VM delete → everything gone', value: milliseconds(median(ours.map(({ goneMs }) => goneMs))), goal: '≤ 2 s' },
    { what: 'API writes to create a VM, ours besides events', value: String(median(ours.map(({ createWrites }) => createWrites))), goal: '≤ 8' },
    { what: 'API writes to delete a VM, ours besides events', value: String(median(ours.map(({ deleteWrites }) => deleteWrites))), goal: '≤ 4' },
    await podFigure(cluster, pod),
    await memoryFigure(cluster, machine),
    ...await residentFigures(cluster),
  ];
  printFigures(`First light: medians of ${ROUNDS} rounds, guests by ${(await cluster.hypervisor.info()).acceleration}`, figures);
  await cluster[Symbol.asyncDispose]();
  printFigures('The whole command', [await demoFigure()]);
}

interface Run {
  readonly runningMs: number;
  readonly answersMs: number;
  readonly goneMs: number;
  readonly createWrites: number;
  readonly deleteWrites: number;
}

type RawRun = Pick<Run, 'runningMs' | 'answersMs'>;

async function once(cluster: BenchCluster, template: VirtualMachine, name: string): Promise<Run> {
  const { client, hypervisor } = cluster;
  const writes = await ourWrites(cluster);
  using starts = new Starts(hypervisor);
  const started = performance.now();
  const created = await client.create(virtualMachines, named(template, name));
  const id = created.metadata.uid ?? '';
  const address = await until(async () => (await client.get(virtualMachines, created.metadata)).status?.guest?.address, 20);
  await until(() => answers(address), 10);
  const answersMs = performance.now() - started;
  const runningMs = starts.of(id) - started;
  await until(async () => (await client.get(virtualMachines, created.metadata)).status?.ready, 50);
  // What is merely told later, such as the guest agent's connection, counts too.
  await delay(4000);
  const createWrites = await ourWrites(cluster) - writes;
  const deleting = performance.now();
  await client.delete(virtualMachines, created.metadata);
  await until(() => isGone(cluster, created), 10);
  const goneMs = performance.now() - deleting;
  await delay(500);
  return { runningMs, answersMs, goneMs, createWrites, deleteWrites: await ourWrites(cluster) - writes - createWrites };
}

/** When guests began to run, by libvirt's own word: the last of the events that it tells of a start. */
class Starts implements Disposable {
  readonly #last = new Map<string, number>();
  readonly #unwatch: () => void;

  constructor(hypervisor: Hypervisor) {
    this.#unwatch = hypervisor.watch(({ id, kind }) => void (id !== undefined && kind === 'lifecycle' && this.#last.set(id, performance.now())));
  }

  of(id: string): number {
    return this.#last.get(id) ?? Number.NaN;
  }

  [Symbol.dispose](): void {
    this.#unwatch();
  }
}

/** No object, no domain, no tap route, no disks. */
async function isGone({ client, hypervisor, status, folder }: BenchCluster, vm: VirtualMachine): Promise<boolean> {
  const { uid = '', name } = vm.metadata;
  try {
    await client.get(virtualMachines, vm.metadata);
    return false;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  if ((await hypervisor.get(uid)).phase !== 'absent') return false;
  const guests = await run('ls', [join(folder, status.name, 'nodes', status.nodes[0]?.name ?? '', 'var/lib/yadokari/guests')]).catch(() => '');
  return !guests.includes(`${NAMESPACE}.${name}.${uid}`);
}

/** The same guest without us: kernel, seed and network as a machine of ours had them. */
async function definitionOf(cluster: BenchCluster, template: VirtualMachine): Promise<GuestDefinition> {
  const vm = await cluster.client.create(virtualMachines, named(template, 'model'));
  const uid = vm.metadata.uid ?? '';
  await until(async () => (await cluster.client.get(virtualMachines, vm.metadata)).status?.guest?.phase === 'Running', 20);
  const node = `/proc/${cluster.nodePid}/root`;
  const xml = await cluster.inNode('virsh', 'dumpxml', uid);
  const first = (pattern: RegExp): string => pattern.exec(xml)?.[1] ?? '';
  const seed = /<source file='([^']*[.]iso)'/.exec(xml)?.[1] ?? '';
  await run('mkdir', ['-p', `${node}/var/lib/yadokari/bench`]);
  await run('cp', [`${node}${seed}`, `${node}/var/lib/yadokari/bench/seed.iso`]);
  const definition: GuestDefinition = {
    id: '', name: '', hostname: 'raw', memoryMiB: 128, cpu: { sockets: 1, cores: 1, threads: 1 },
    boot: { kind: 'kernel', kernelPath: first(/<kernel>(.*)<\/kernel>/), initrdPath: first(/<initrd>(.*)<\/initrd>/), commandLine: first(/<cmdline>(.*)<\/cmdline>/) },
    disks: [{ name: 'seed', path: '/var/lib/yadokari/bench/seed.iso', format: 'raw', readOnly: true, device: 'disk' }],
    interfaces: [], consoleLogPath: '/var/lib/yadokari/bench/console.log',
  };
  await cluster.client.delete(virtualMachines, vm.metadata);
  await until(() => isGone(cluster, vm), 50);
  return definition;
}

/** A guest straight from libvirt, on a tap and with a DHCP server of its own, both there beforehand; the server does not stop to ask whether the address is taken. */
async function rawGuest(cluster: BenchCluster, model: GuestDefinition): Promise<RawRun> {
  const id = randomUUID();
  const address = await unusedAddress(cluster);
  const [tap, mac] = ['yadobench', '02:00:00:00:be:01'];
  const shell = (script: string): Promise<string> => cluster.inNode('sh', '-c', script);
  await shell(`ip tuntap add dev ${tap} mode tap && ip link set ${tap} up && echo 1 > /proc/sys/net/ipv4/conf/${tap}/proxy_arp && ip route add ${address}/32 dev ${tap} && ip neigh replace ${address} lladdr ${mac} dev ${tap} nud permanent`);
  await shell(`mkdir -p /run/bench && printf 'start ${address}\\nend ${address}\\ninterface ${tap}\\noption subnet 255.255.255.255\\noption router 169.254.1.1\\nlease_file /run/bench/leases\\npidfile /run/bench/pid\\n' > /run/bench/udhcpd.conf && : > /run/bench/leases && ip addr add 169.254.1.2/32 dev ${tap} && busybox udhcpd -S -a 1 /run/bench/udhcpd.conf`);
  try {
    using starts = new Starts(cluster.hypervisor);
    const started = performance.now();
    await cluster.hypervisor.start({ ...model, id, name: `raw-${id}`, interfaces: [{ tap, macAddress: mac, mtu: 1500 }] });
    await until(() => answers(address), 10);
    return { runningMs: starts.of(id) - started, answersMs: performance.now() - started };
  } finally {
    await cluster.hypervisor.remove(id);
    await shell(`kill $(cat /run/bench/pid); ip link del ${tap}`);
  }
}

/** The last address of the node's block: the first ones are taken first. */
async function unusedAddress(cluster: BenchCluster): Promise<string> {
  const affinities = JSON.parse(await cluster.client.raw({ method: 'GET', path: '/apis/crd.projectcalico.org/v1/blockaffinities' })) as { items: { spec: { cidr: string } }[] };
  const [a = 0, b = 0, c = 0, d = 0] = (affinities.items[0]?.spec.cidr.split('/')[0] ?? '').split('.').map(Number);
  return `${a}.${b}.${c}.${d + 62}`;
}

async function podFigure(cluster: BenchCluster, template: YadoPod): Promise<Figure> {
  const { client } = cluster;
  const [ours, raw]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    const rawStarted = performance.now();
    await cluster.inNode('ctr', '-n', 'k8s.io', 'run', '--rm', 'localhost/yadokari/hello:1', `bench-${round}`, 'true');
    raw.push(performance.now() - rawStarted);
    const pod = named(template, `pod-${round}`);
    const started = performance.now();
    await client.create(yadoPods, pod);
    const address = await until(async () => (await client.get(yadoPods, pod.metadata)).status?.address, 20);
    await until(() => answers(address), 10);
    ours.push(performance.now() - started);
    await client.delete(yadoPods, pod.metadata);
  }
  return ratio('Pod apply → answers on its address', ours, raw, 'raw run and exit', 'the kubelet looks once a second');
}

const EXTRA = 4;

async function memoryFigure(cluster: BenchCluster, template: VirtualMachine): Promise<Figure> {
  const before = await processesOf(cluster);
  const machines: VirtualMachine[] = [];
  for (let index = 0; index < EXTRA; index += 1) machines.push(await cluster.client.create(virtualMachines, named(template, `extra-${index}`)));
  for (const { metadata } of machines) await until(async () => (await cluster.client.get(virtualMachines, metadata)).status?.ready, 100);
  // What came with the machines, but for QEMU itself: the anchor's shim and its waiting processes.
  const added = [...await processesOf(cluster)].filter(([pid, command]) => !before.has(pid) && !command.includes('qemu-system'));
  const bytes = (await Promise.all(added.map(([pid]) => proportionalSetSize(pid)))).reduce((sum, size) => sum + size, 0);
  for (const { metadata } of machines) await cluster.client.delete(virtualMachines, metadata);
  for (const vm of machines) await until(() => isGone(cluster, vm), 50);
  return { what: `what a VM costs over its QEMU (PSS, of ${EXTRA})`, value: `${(bytes / EXTRA / 2 ** 20).toFixed(1)} MiB`, goal: '≤ 32 MiB' };
}

async function residentFigures({ status }: BenchCluster): Promise<readonly Figure[]> {
  const figure = async (what: string, port: number, host: string): Promise<Figure> => {
    const bytes = Number(/^process_resident_memory_bytes (\S+)/m.exec(await page(`http://${host}:${port}/metrics`))?.[1] ?? Number.NaN);
    return { what, value: `${Math.round(bytes / 1e6)} MB`, goal: '≤ 100 MB' };
  };
  const host = endpointsOf(status);
  return [await figure('RSS of the operator', 9401, host.operator), await figure('RSS of the agent', 9402, host.agent)];
}

async function demoFigure(): Promise<Figure> {
  const started = performance.now();
  await run(process.execPath, [yado, 'demo', '--once', '--name', 'bench'], { timeoutMs: 600_000 });
  return { what: 'npm start -- --once, everything built', value: milliseconds(performance.now() - started), goal: '≤ 25 s' };
}

/** Writes of operator and agent so far, by their own counters. */
async function ourWrites({ status }: BenchCluster): Promise<number> {
  const host = endpointsOf(status);
  const pages = await Promise.all([page(`http://${host.operator}:9401/metrics`), page(`http://${host.agent}:9402/metrics`)]);
  const lines = pages.flatMap((text) => text.split('\n')).filter((line) => /^yadokari_api_calls_total\{verb="(create|update|patch|apply|delete)"/.test(line) && !/kind="(Event|Lease)"/.test(line));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** The bench cluster's bridge address serves the operator's figures, its node's address the agent's. */
function endpointsOf({ nodes }: BenchCluster['status']): { readonly operator: string; readonly agent: string } {
  const agent = nodes[0]?.address ?? '';
  return { agent, operator: agent.replace(/\.\d+$/, '.1') };
}

async function answers(address: string): Promise<boolean> {
  return page(`http://${address}/`, 500).then((text) => text.includes('Hello'), () => false);
}

function page(url: string, timeoutMs = 5000): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const request = http.get(url, { agent: false, timeout: timeoutMs }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => void (text += chunk)).on('end', () => resolve(text)).on('error', reject);
  });
  request.on('error', reject).on('timeout', () => request.destroy(new Error('no answer')));
  return promise;
}

async function until<T>(look: () => Promise<T | undefined>, everyMs: number): Promise<NonNullable<T>> {
  for (const deadline = Date.now() + 120_000; Date.now() < deadline; await delay(everyMs)) {
    const seen = await look();
    if (seen !== undefined && seen !== false && seen !== null) return seen;
  }
  throw new Error('what the benchmark waits for did not happen within two minutes');
}

function named<T extends VirtualMachine | YadoPod>(template: T, name: string): T {
  return { ...template, metadata: { name, namespace: NAMESPACE } };
}

function inNamespace(image: VirtualMachineImage): VirtualMachineImage {
  return { ...image, metadata: { ...image.metadata, namespace: NAMESPACE } };
}
