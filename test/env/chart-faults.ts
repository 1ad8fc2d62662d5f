import assert from 'node:assert/strict';
import { pods, type Pod } from '../../src/kube/core.ts';
import { conditionOf } from '../../src/kube/conditions.ts';
import type { ClusterStatus } from '../../src/local/cluster.ts';
import { clusterLayout } from '../../src/local/layout.ts';
import { ControlClient } from '../../src/local/control-client.ts';
import type { TestCluster } from './cluster.ts';
import { qemuPids } from './discrepancies.ts';
import type { Recovery } from './fault-cluster.ts';
import type { GuestStream } from './guest-stream.ts';

const RELEASE = 'yadokari-system';
const NAMESPACE = 'default';
const BACK_MS = 60_000;
/** A connection may be silent for so long. */
const SILENCE_MS = 5000;
/** What of a node may be killed without its workloads' noticing. */
const COMPONENTS = /^n\d+\/(kubelet|containerd|libvirtd)$/;

type Victim = { readonly kind: 'pod'; readonly name: string; readonly component: string } | { readonly kind: 'process'; readonly name: string; readonly pid: number };

/** Kills what the chart and a node run, under a spliced machine that somebody is connected to. */
export class ChartFaults {
  readonly #cluster: TestCluster;
  readonly #machine: string;
  readonly #stream: GuestStream;
  readonly #control: ControlClient;

  constructor(cluster: TestCluster, machine: string, stream: GuestStream) {
    this.#cluster = cluster;
    this.#machine = machine;
    this.#stream = stream;
    this.#control = new ControlClient(clusterLayout(cluster.folder, cluster.status.name));
  }

  /** Kills one, waits until it is back, and looks at the guest and its connection. */
  async kill(next: () => number, count: number): Promise<Recovery> {
    const vm = await this.#cluster.vm(NAMESPACE, this.#machine);
    const qemu = await qemuPids(vm.metadata.uid ?? '');
    const victims = await this.#victims();
    const victim = victims[Math.floor(next() * victims.length)];
    assert.ok(victim !== undefined && qemu.length === 1);
    const component = victim.kind === 'pod' ? victim.component : victim.name.replace(/^n\d+\//, '');
    const what = `kill ${count}, of ${victim.name}`;
    this.#stream.listen();
    const [seen, begun] = [this.#stream.lines, performance.now()];
    if (victim.kind === 'process') process.kill(victim.pid, 'SIGKILL');
    else await this.#cluster.kubectl('-n', RELEASE, 'delete', 'pod', victim.name, '--grace-period=0', '--force');
    await this.#cluster.eventually(`${what}: it is back`, () => this.#isBack(victim), BACK_MS, RELEASE);
    const back = performance.now();
    await this.#cluster.vmThat(NAMESPACE, this.#machine, `is ready after ${what}`, ({ status }) => status?.ready === true, BACK_MS);
    await this.#cluster.eventually(`${what}: the connection goes on`, async () => this.#stream.open && this.#stream.lines > seen + 5, 10_000, NAMESPACE);
    assert.ok(this.#stream.silenceMs < SILENCE_MS, `${what}: the connection was silent for ${Math.round(this.#stream.silenceMs)} ms`);
    assert.deepEqual(await qemuPids(vm.metadata.uid ?? ''), qemu, `${what}: QEMU`);
    const { status } = await this.#cluster.vm(NAMESPACE, this.#machine);
    assert.deepEqual([status?.guest?.startedAt, status?.address, status?.anchor], [vm.status?.guest?.startedAt, vm.status?.address, vm.status?.anchor], what);
    return { component, backMs: back - begun, trueMs: this.#stream.silenceMs };
  }

  async #victims(): Promise<readonly Victim[]> {
    const { items } = await this.#ours();
    const processes = componentsOf(await this.#control.status()).flatMap(({ name, pid, state }): readonly Victim[] => (COMPONENTS.test(name) && pid !== undefined && state === 'running' ? [{ kind: 'process', name, pid }] : []));
    return [...items.map(({ metadata }): Victim => ({ kind: 'pod', name: metadata.name, component: `${metadata.labels?.['app.kubernetes.io/component']}'s pod` })), ...processes];
  }

  async #isBack(victim: Victim): Promise<boolean> {
    const { items } = await this.#ours();
    const whole = items.length === 2 + this.#cluster.nodes.length && items.every((pod) => isReady(pod) && pod.metadata.name !== (victim.kind === 'pod' ? victim.name : ''));
    const components = componentsOf(await this.#control.status());
    return whole && components.every(({ name, pid, state }) => state === 'running' && (victim.kind !== 'process' || name !== victim.name || (pid !== undefined && pid !== victim.pid))) && this.#nodesReady();
  }

  async #nodesReady(): Promise<boolean> {
    const found = await this.#cluster.kubectl('get', 'nodes', '-o', 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status} {end}');
    return found.trim().split(' ').every((status) => status === 'True');
  }

  #ours(): Promise<{ readonly items: readonly Pod[] }> {
    return this.#cluster.client.list(pods, { namespace: RELEASE, labelSelector: 'app.kubernetes.io/name=yadokari' });
  }
}

function isReady({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp === undefined && conditionOf(status?.conditions, 'Ready')?.status === 'True';
}

function componentsOf({ components, nodes }: ClusterStatus): ClusterStatus['components'] {
  return [...components, ...nodes.flatMap((node) => node.components)];
}
