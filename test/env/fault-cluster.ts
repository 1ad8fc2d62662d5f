import assert from 'node:assert/strict';
import http from 'node:http';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { isTrue } from '../../src/kube/conditions.ts';
import { nodes as nodeResource, pods } from '../../src/kube/core.ts';
import { virtualMachines, yadoPods, type VirtualMachine, type YadoPod } from '../../src/kube/yadokari.ts';
import type { ComponentStatus } from '../../src/local/component.ts';
import { ControlClient } from '../../src/local/control-client.ts';
import { clusterLayout } from '../../src/local/layout.ts';
import { startTestCluster, type TestCluster } from './cluster.ts';
import { discrepancies, qemuPids } from './discrepancies.ts';

/** A machine and a container of one node, which must not notice what is killed around them. */
interface Witness {
  readonly node: string;
  readonly vm: string;
  readonly pod: string;
  readonly address: string;
  readonly podAddress: string;
  readonly uid: string;
  readonly qemu: number;
  readonly bootId: string;
  /** Ids, starts and restarts of all containers. */
  readonly containers: string;
}

export interface Recovery {
  /** Without the node. */
  readonly component: string;
  /** From the kill until it runs again, and from then until everything is true again; milliseconds. */
  readonly backMs: number;
  readonly trueMs: number;
}

const NAMESPACE = 'faults';
/** The supervisor waits longer each time before it starts what was killed repeatedly. */
const BACK_MS = 60_000;
const TRUE_MS = 10_000;
/** Nodes that could not report are Ready again only with their next report. */
const THAWED_MS = 20_000;
const READY_MS = 90_000;
/** A kubelet tries again 10 to 15 s after what it could not start, and may miss twice. */
const PROBE_MS = 60_000;
const FROZEN_MS = 20_000;

/** A cluster with witnesses, and what is done to it. */
export class FaultCluster {
  readonly cluster: TestCluster;
  readonly #control: ControlClient;
  readonly #objects: readonly [VirtualMachine, YadoPod];
  #witnesses: readonly Witness[] = [];
  readonly #uptimes = new Map<string, number>();

  private constructor(cluster: TestCluster, objects: readonly [VirtualMachine, YadoPod]) {
    this.cluster = cluster;
    this.#control = new ControlClient(clusterLayout(cluster.folder, cluster.status.name));
    this.#objects = objects;
  }

  /** A cluster with a machine and a container on each node. */
  static async start(): Promise<FaultCluster> {
    const text = await readFile(join(import.meta.dirname, '../../deploy/examples/hello.yaml'), 'utf8');
    const [image, vm, pod] = parseAllDocuments(text).map((document) => document.toJS() as unknown);
    const cluster = await startTestCluster({ name: 'faults' });
    try {
      const faults = new FaultCluster(cluster, [vm as VirtualMachine, pod as YadoPod]);
      await cluster.namespace(NAMESPACE);
      const workloads = cluster.nodes.flatMap((node) => [faults.#machine(`vm-${node}`, node), faults.#container(`pod-${node}`, node)]);
      await cluster.apply(NAMESPACE, [image, ...workloads].map((object) => JSON.stringify(object)).join('\n---\n'));
      faults.#witnesses = await Promise.all(cluster.nodes.map((node) => faults.#observe(node)));
      return faults;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Kills one component, waits until it and all else is well, and looks at every workload. */
  async kill(next: () => number, count: number): Promise<Recovery> {
    const candidates = (await this.#components()).filter(({ pid, state }) => pid !== undefined && state === 'running');
    const victim = candidates[Math.floor(next() * candidates.length)];
    assert.ok(victim?.pid !== undefined);
    const { name, pid } = victim;
    const [begun, what] = [performance.now(), `kill ${count}, of ${name}`];
    process.kill(pid, 'SIGKILL');
    await this.#eventually(`${what}: it runs again`, async () => (await this.#components()).some((component) => component.name === name && component.state === 'running' && component.pid !== undefined && component.pid !== pid), BACK_MS);
    const back = performance.now();
    await this.#eventually(`${what}: all is true again`, () => this.#settled(), TRUE_MS);
    const recovery = { component: name.replace(/^n\d+\//, ''), backMs: back - begun, trueMs: performance.now() - back };
    await this.#goOn(what, /^(n\d+)\//.exec(name)?.[1] ?? this.#witnesses[count % this.#witnesses.length]?.node ?? '', `probe-${count}`);
    return recovery;
  }

  /** Stops one component without ending it, lets it go on, and looks at everything. */
  async freeze(name: string): Promise<Recovery> {
    const pid = (await this.#components()).find((component) => component.name === name)?.pid;
    assert.ok(pid !== undefined, name);
    const what = `freezing ${name}`;
    process.kill(pid, 'SIGSTOP');
    try {
      await delay(FROZEN_MS);
    } finally {
      process.kill(pid, 'SIGCONT');
      // nsenter stops itself with its child, and would never see the child's end.
      const parent = Number(/^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
      if ((await readFile(`/proc/${parent}/comm`, 'utf8')).trim() === 'nsenter') process.kill(parent, 'SIGCONT');
    }
    const thawed = performance.now();
    await this.#eventually(`${what}: all is true again`, () => this.#settled(), THAWED_MS);
    const recovery = { component: `${name.replace(/^n\d+\//, '')}, frozen`, backMs: 0, trueMs: performance.now() - thawed };
    await this.#goOn(what, this.#witnesses[0]?.node ?? '', `probe-${name.replace(/^n\d+\//, '')}`);
    return recovery;
  }

  async crashNode(): Promise<void> {
    const witness = this.#witnesses.at(-1);
    assert.ok(witness !== undefined);
    const { node, vm, uid, address, pod } = witness;
    await this.#control.node(node, 'crash');
    await this.#eventually('its guest is gone', async () => (await qemuPids(uid)).length === 0, 5000);
    await this.cluster.vmThat(NAMESPACE, vm, 'says that it is not ready', ({ status }) => status?.ready !== true, 60_000);
    await this.#control.node(node, 'start');
    const again = await this.cluster.vmThat(NAMESPACE, vm, 'is ready again', ({ status }) => status?.ready === true, READY_MS);
    assert.equal(again.status?.address, address);
    assert.notEqual((await this.#uptimeOf(address)).bootId, witness.bootId);
    const qemu = await qemuPids(uid);
    assert.equal(qemu.length, 1);
    await this.#eventually('its container is back', async () => page((await this.cluster.client.get(yadoPods, { name: pod, namespace: NAMESPACE })).status?.address ?? ''), READY_MS);
    await this.#eventually('all is true again', () => this.#agrees(), TRUE_MS);
    assert.deepEqual(await qemuPids(uid), qemu, 'it was started once');
    assert.equal((await this.#anchors(vm)).length, 1);
  }

  async end(): Promise<void> {
    const started = performance.now();
    await this.cluster.kubectl('-n', NAMESPACE, 'delete', 'vm,ypod', '--all', '--timeout=60s');
    await this.#eventually('nothing is left', async () => {
      await this.#agrees();
      const left = await this.cluster.client.list(pods, { namespace: NAMESPACE });
      return left.items.length === 0;
    }, TRUE_MS);
    console.log(`two machines and two containers deleted in ${Math.round(performance.now() - started)} ms`);
  }

  #machine(name: string, node: string): VirtualMachine {
    const [{ spec, ...rest }] = this.#objects;
    const uptime = "cat > /www/cgi-bin/uptime <<'END'\n#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\ncat /proc/uptime /proc/sys/kernel/random/boot_id\nEND\n";
    const userData = spec.cloudInit?.userData?.replace(/^chmod /m, () => `${uptime}chmod `);
    assert.match(userData ?? '', /uptime/);
    return { ...rest, metadata: { name }, spec: { ...spec, nodeSelector: { 'kubernetes.io/hostname': node }, ...(userData === undefined ? {} : { cloudInit: { userData } }) } };
  }

  #container(name: string, node: string): YadoPod {
    const [, { spec, ...rest }] = this.#objects;
    return { ...rest, metadata: { name }, spec: { ...spec, nodeSelector: { 'kubernetes.io/hostname': node } } };
  }

  async #observe(node: string): Promise<Witness> {
    const [vm, pod] = [`vm-${node}`, `pod-${node}`];
    const { metadata: { uid = '' }, status } = await this.cluster.vmThat(NAMESPACE, vm, 'is ready', (seen) => seen.status?.ready === true, READY_MS);
    const podAddress = await this.#readyPod(pod);
    const address = status?.address ?? '';
    const [qemu = 0, ...others] = await qemuPids(uid);
    assert.deepEqual(others, []);
    return { node, vm, pod, uid, address, podAddress, qemu, bootId: (await this.#uptimeOf(address)).bootId, containers: await this.#containersOf(vm, pod) };
  }

  /** New work is done on the node, and old work has not noticed. */
  async #goOn(what: string, node: string, probe: string): Promise<void> {
    await Promise.all([this.#newWork(what, node, probe), ...this.#witnesses.map((witness) => this.#unchanged(what, witness))]);
  }

  async #unchanged(what: string, { vm, pod, uid, address, podAddress, qemu, bootId, containers }: Witness): Promise<void> {
    const seen = await this.#uptimeOf(address);
    assert.equal(seen.bootId, bootId, `${what}: ${vm} was booted again`);
    const before = this.#uptimes.get(vm) ?? 0;
    assert.ok(seen.uptime >= before, `${what}: uptime of ${vm} went from ${before} to ${seen.uptime}`);
    this.#uptimes.set(vm, seen.uptime);
    assert.deepEqual(await qemuPids(uid), [qemu], `${what}: QEMU of ${vm}`);
    assert.equal(await this.#containersOf(vm, pod), containers, `${what}: containers were started again`);
    await this.#reaches(vm, address, podAddress);
  }

  /** New work goes through all parts: a container starts and is reached, a changed spec is observed. */
  async #newWork(what: string, node: string, name: string): Promise<void> {
    const { client } = this.cluster;
    const ref = { name, namespace: NAMESPACE };
    await client.create(yadoPods, { ...this.#container(name, node), metadata: ref });
    const address = await this.#readyPod(name);
    for (const { vm, address: asker } of this.#witnesses) await this.#reaches(vm, asker, address);
    for (const { vm } of this.#witnesses) {
      const seconds = 11 + Math.floor(performance.now() % 1000);
      const { metadata: { generation = 0 } } = await client.patch(virtualMachines, { name: vm, namespace: NAMESPACE }, { spec: { terminationGracePeriodSeconds: seconds } });
      await this.cluster.vmThat(NAMESPACE, vm, `is observed after ${what}`, ({ status }) => (status?.observedGeneration ?? 0) >= generation, TRUE_MS);
    }
    // That it goes without a trace is seen at the latest in the end.
    await client.delete(yadoPods, ref);
  }

  async #reaches(vm: string, asker: string, asked: string): Promise<void> {
    await this.#eventually(`${vm} at ${asker} reaches ${asked}`, async () => (await page(asker, `/cgi-bin/fetch?${asked}`)).includes(`You are ${asker}.`), TRUE_MS);
  }

  async #settled(): Promise<boolean> {
    const { client } = this.cluster;
    for (const { metadata, status } of (await client.list(nodeResource)).items) assert.ok(isTrue(status?.conditions, 'Ready'), `node ${metadata.name} is not Ready`);
    for (const { vm, pod, address } of this.#witnesses) {
      const { status } = await this.cluster.vm(NAMESPACE, vm);
      assert.equal(`${status?.printableStatus} ${status?.ready} ${status?.address}`, `Running true ${address}`, vm);
      assert.equal((await client.get(yadoPods, { name: pod, namespace: NAMESPACE })).status?.ready, '1/1', pod);
    }
    return this.#agrees();
  }

  async #agrees(): Promise<boolean> {
    assert.deepEqual(await discrepancies(this.cluster, await this.#control.status()), []);
    return true;
  }

  #readyPod(name: string): Promise<string> {
    return this.#eventually(`${name} is ready`, async () => {
      const { status } = await this.cluster.client.get(yadoPods, { name, namespace: NAMESPACE });
      return status?.ready === '1/1' ? status.address : undefined;
    }, PROBE_MS);
  }

  async #uptimeOf(address: string): Promise<{ readonly uptime: number; readonly bootId: string }> {
    return this.#eventually(`uptime of ${address}`, async () => {
      const text = await page(address, '/cgi-bin/uptime');
      const [, uptime, bootId] = /^([\d.]+) [\d.]+\n([\da-f-]{36})\n$/.exec(text) ?? [];
      // Whoever answers while a route is missing, it is not the guest.
      if (uptime === undefined || bootId === undefined) throw new Error(`somebody else's answer: ${JSON.stringify(text)}`);
      return { uptime: Number(uptime), bootId };
    }, TRUE_MS);
  }

  async #containersOf(vm: string, pod: string): Promise<string> {
    const found = [...await this.#anchors(vm), await this.cluster.client.get(pods, { name: pod, namespace: NAMESPACE })];
    return found.flatMap(({ metadata, status }) => (status?.containerStatuses ?? []).map(({ containerID, restartCount, state }) => `${metadata.name} ${containerID} ${restartCount} ${state?.running?.startedAt}`)).sort().join('\n');
  }

  async #anchors(vm: string) {
    return (await this.cluster.client.list(pods, { namespace: NAMESPACE, labelSelector: `yadokari.dev/virtual-machine=${vm}` })).items;
  }

  async #components(): Promise<readonly ComponentStatus[]> {
    const { components, nodes } = await this.#control.status();
    return [...components, ...nodes.flatMap((node) => node.components)];
  }

  #eventually<T>(what: string, probe: () => Promise<T | undefined | false>, deadlineMs: number): Promise<T> {
    return this.cluster.eventually(what, probe, deadlineMs, NAMESPACE);
  }
}

/** A page, asked from this machine. */
function page(address: string, path = '/'): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  http.get(`http://${address}${path}`, { agent: false, signal: AbortSignal.timeout(6000) }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => void (text += chunk)).on('end', () => resolve(text)).on('error', reject);
  }).on('error', reject);
  return promise;
}
