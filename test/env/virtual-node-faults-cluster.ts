import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { ANNOTATION_RESTARTED_AT } from '../../src/api/group.ts';
import { isTrue } from '../../src/kube/conditions.ts';
import { nodes, pods, type Pod } from '../../src/kube/core.ts';
import { virtualMachines } from '../../src/kube/yadokari.ts';
import { ControlClient } from '../../src/local/control-client.ts';
import { clusterLayout } from '../../src/local/layout.ts';
import { startTestCluster, type TestCluster } from './cluster.ts';
import { containerHostImports } from './container-host-objects.ts';
import { discrepancies, qemuPids } from './discrepancies.ts';
import type { Recovery } from './fault-cluster.ts';
import { FaultGuest, type Census } from './virtual-node-faults-guest.ts';
import { machine, MACHINE, NAMESPACE, NODE, podInside, probeSpec, witnessPods, type WitnessPod } from './virtual-node-faults-pods.ts';

/** What is killed: processes in the guest, components of the cluster, or the guest itself. */
export const victims = ['guest/yado-relay', 'guest/containerd', 'n1/agent', 'n1/libvirtd', 'n1/kubelet', 'kube-apiserver', 'guest'] as const;
export type Victim = (typeof victims)[number];

const HOST = 'n1';
/** Guests are slow where their processors are emulated. */
const START_MS = 300_000;
const BACK_MS = 60_000;
const TRUE_MS = 45_000;
/** A new pod needs half a minute where its guest is emulated and the host busy. */
const PROBE_MS = 150_000;
const REBOOTED_MS = 180_000;
/** The guest ends shims that serve nothing after a minute. */
const GONE_MS = 120_000;
/** A probe is killed under at any moment of its start. */
const LEAD_MS = 2500;

/** What was last seen of a pod, and must not change by itself. */
interface Witness {
  readonly pod: WitnessPod;
  readonly uid: string;
  /** Container and the moment of its start, as its status and as the guest have it. */
  readonly told: string;
  readonly process: string;
  readonly restarts: number;
  /** Restarts that were before this boot of the guest. */
  readonly before: number;
}

/** A machine that is a node, pods in it, and what is done to all that they rest upon. */
export class VirtualNodeFaults {
  readonly cluster: TestCluster;
  readonly #control: ControlClient;
  readonly #uid: string;
  readonly #guest: FaultGuest;
  #bootId = '';
  #witnesses: readonly Witness[] = [];

  private constructor(cluster: TestCluster, uid: string) {
    this.cluster = cluster;
    this.#uid = uid;
    this.#control = new ControlClient(clusterLayout(cluster.folder, cluster.status.name));
    this.#guest = new FaultGuest(cluster, HOST, uid);
  }

  static async start(): Promise<VirtualNodeFaults> {
    const cluster = await startTestCluster({ name: 'vn-faults', nodes: 1, imports: await containerHostImports() });
    try {
      await cluster.namespace(NAMESPACE);
      await cluster.apply(NAMESPACE, machine);
      await cluster.apply(NAMESPACE, witnessPods.map(({ name, spec }) => podInside(name, spec)).join(''));
      const faults = new VirtualNodeFaults(cluster, (await cluster.vm(NAMESPACE, MACHINE)).metadata.uid ?? '');
      await faults.#eventually('pods run in the machine', async () => {
        faults.#witnesses = await faults.#observe([]);
        return true;
      }, START_MS);
      return faults;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Kills one thing after the other while a new pod is on its way, waits until all is well, and looks at everything. */
  async kill(round: readonly Victim[], next: () => number, count: number): Promise<readonly Recovery[]> {
    const what = `round ${count}, of ${round.join(', ')}`;
    const probe = `probe-${count}`;
    await this.cluster.apply(NAMESPACE, podInside(probe, probeSpec));
    const kills: { readonly component: string; readonly begun: number; readonly back: number }[] = [];
    for (const victim of round) {
      await delay(Math.floor(next() * LEAD_MS));
      const begun = performance.now();
      await this.#killNow(`${what}: ${victim}`, victim);
      kills.push({ component: victim.replace(/^n1\//, ''), begun, back: performance.now() });
    }
    const rebooted = round.includes('guest');
    await this.#eventually(`${what}: all is true again`, () => (rebooted ? this.#rebooted() : this.#settled()), rebooted ? REBOOTED_MS : TRUE_MS);
    const trueAt = performance.now();
    await this.#eventually(`${what}: ${probe} has run once`, () => this.#hasRun(probe, rebooted), PROBE_MS);
    await this.#eventually(`${what}: nothing is there that nobody owns`, () => this.#agrees(), TRUE_MS);
    await this.#eventually(`${what}: the way in is open`, async () => await this.cluster.kubectl('-n', NAMESPACE, 'exec', 'plain', '--', 'echo', 'here') === 'here\n', TRUE_MS);
    // That it goes without a trace is seen at the latest in the end.
    await this.cluster.client.delete(pods, { name: probe, namespace: NAMESPACE });
    return kills.map(({ component, begun, back }) => ({ component, backMs: back - begun, trueMs: trueAt - back }));
  }

  /** Removes the pods, then the machine; nothing is left of either. */
  async end(): Promise<void> {
    const { cluster } = this;
    await cluster.kubectl('-n', NAMESPACE, 'delete', 'pods', '-l', '!yadokari.dev/virtual-machine', '--timeout=90s');
    await this.#eventually('nothing of the pods is left in the guest', async () => {
      assert.deepEqual(await this.#guest.leftovers(), []);
      return this.#agrees();
    }, GONE_MS);
    await cluster.deleteMachine(NAMESPACE, MACHINE, GONE_MS);
    await this.#eventually('the Node is gone, and its addresses', async () => {
      const left = await cluster.kubectl('get', 'nodes,blockaffinities.crd.projectcalico.org,ipamhandles.crd.projectcalico.org', '-o', 'name');
      assert.deepEqual(left.split('\n').filter((name) => name.includes(MACHINE) || name.includes(NAMESPACE)), []);
      assert.equal(await cluster.inNode(HOST, 'ip', '-4', 'route', 'show', 'proto', '88'), '');
      assert.equal(await cluster.shell(HOST, 'ls /run/yadokari/guests 2>/dev/null || true'), '');
      return this.#agrees();
    }, GONE_MS);
  }

  async #killNow(what: string, victim: Victim): Promise<void> {
    if (victim === 'guest') {
      const [pid = 0, ...others] = await qemuPids(this.#uid);
      assert.deepEqual(others, [], `${what}: the guest runs twice`);
      const anchor = (await this.cluster.vm(NAMESPACE, MACHINE)).status?.guest?.anchor;
      process.kill(pid, 'SIGKILL');
      await this.#eventually(`${what}: it is started again`, () => this.#isStartedNow(anchor), BACK_MS);
      return;
    }
    const [place, name = ''] = victim.split('/');
    if (place === 'guest') return this.#guest.kill(name);
    const pid = await this.#pidOf(victim);
    assert.ok(pid !== undefined, what);
    process.kill(pid, 'SIGKILL');
    await this.#eventually(`${what}: it runs again`, async () => {
      const now = await this.#pidOf(victim);
      return now !== undefined && now !== pid;
    }, BACK_MS);
  }

  /** A machine that dies often waits longer and longer; a person who wants it now says so. */
  async #isStartedNow(formerAnchor: string | undefined): Promise<boolean> {
    const { status } = await this.cluster.vm(NAMESPACE, MACHINE);
    const isWaiting = status?.printableStatus === 'CrashLoopBackOff';
    if (isWaiting) await this.cluster.client.patch(virtualMachines, { name: MACHINE, namespace: NAMESPACE }, { metadata: { annotations: { [ANNOTATION_RESTARTED_AT]: new Date().toISOString() } } });
    return isWaiting || status?.guest?.anchor !== formerAnchor;
  }

  /** Nobody has noticed, and everything that is said is true. */
  async #settled(): Promise<boolean> {
    const seen = await this.#observe(this.#witnesses);
    for (const [index, { pod, process, told, restarts, before }] of this.#witnesses.entries()) {
      const now = seen[index];
      if (!pod.restless) assert.deepEqual([now?.process, now?.told, now?.restarts], [process, told, restarts], `${pod.name} has noticed`);
      // A start that was cut short counts, though nothing may have run: as with a kubelet.
      const counted = (now?.before ?? NaN) - before;
      assert.ok(counted === 0 || (pod.restless && counted === 1), `restarts of ${pod.name} are counted wrongly, by ${counted}`);
    }
    this.#witnesses = seen;
    return true;
  }

  /** After the guest's death: the same pods in another guest, each started once more. */
  async #rebooted(): Promise<boolean> {
    const [bootId, former] = [this.#bootId, this.#witnesses];
    const seen = await this.#observe([]);
    if (this.#bootId === bootId) throw new Error('the guest was not started again');
    assert.equal((await qemuPids(this.#uid)).length, 1);
    for (const [index, { pod, uid, restarts }] of former.entries()) {
      const now = seen[index];
      assert.equal(now?.uid, uid, `${pod.name} is another pod`);
      if (pod.restless) assert.ok(now.restarts >= restarts, `restarts of ${pod.name} went from ${restarts} to ${now.restarts}`);
      else assert.equal(now.restarts, restarts + 1, `restarts of ${pod.name}`);
    }
    this.#witnesses = seen;
    return true;
  }

  /** The pods, as their statuses and the guest agree on them; throws while they do not. */
  async #observe(former: readonly Witness[]): Promise<readonly Witness[]> {
    const { client } = this.cluster;
    const node = await client.get(nodes, { name: NODE });
    assert.ok(isTrue(node.status?.conditions, 'Ready'), 'the machine is not Ready as a node');
    const census = await this.#guest.census();
    const found = await Promise.all(witnessPods.map((pod) => client.get(pods, { name: pod.name, namespace: NAMESPACE })));
    const witnesses = witnessPods.map((pod, index) => observed(pod, found[index], census, former[index]));
    this.#bootId = census.bootId;
    return witnesses;
  }

  async #hasRun(name: string, rebooted: boolean): Promise<boolean> {
    const { status } = await this.cluster.client.get(pods, { name, namespace: NAMESPACE });
    // The runtime breaks a start off whose caller dies, and says so: the pod may not start again, as with a kubelet.
    const isBrokenOff = status?.containerStatuses?.[0]?.state?.terminated?.reason === 'StartError';
    if (status?.phase === 'Failed' && !rebooted && !isBrokenOff) throw new Error(`it failed: ${JSON.stringify(status)}`);
    return status?.phase === 'Succeeded' || status?.phase === 'Failed';
  }

  async #agrees(): Promise<boolean> {
    assert.deepEqual(await discrepancies(this.cluster, await this.#control.status()), []);
    return true;
  }

  async #pidOf(component: string): Promise<number | undefined> {
    const { components, nodes: hosts } = await this.#control.status();
    const found = [...components, ...hosts.flatMap((host) => host.components)].find(({ name }) => name === component);
    return found?.state === 'running' ? found.pid : undefined;
  }

  #eventually<T>(what: string, probe: () => Promise<T | undefined | false>, deadlineMs: number): Promise<T> {
    return this.cluster.eventually(what, probe, deadlineMs, NAMESPACE);
  }
}

/** One pod as its status and the guest have it. Throws where they differ. */
function observed(pod: WitnessPod, found: Pod | undefined, { processes, starts }: Census, former: Witness | undefined): Witness {
  const { name, command, restless } = pod;
  const own = processes.filter((process) => process.command === command).map(({ process }) => process);
  assert.ok(own.length <= 1, `${name} runs ${own.length} times`);
  const uid = found?.metadata.uid ?? '';
  const status = found?.status?.containerStatuses?.[0];
  const running = status?.state?.running;
  assert.equal(running !== undefined, own.length === 1, `${name} is said to be ${JSON.stringify(status?.state)} and runs as ${own.length} processes`);
  // A start is counted before it is made: what is in between says nothing.
  if (restless) assert.ok(running !== undefined || status?.state?.terminated !== undefined || status?.state?.waiting?.reason === 'CrashLoopBackOff', `${name} is on its way: ${JSON.stringify(status?.state)}`);
  if (!restless) assert.ok(running !== undefined && isTrue(found?.status?.conditions, 'Ready'), `${name} is not Ready`);
  const restarts = status?.restartCount ?? 0;
  assert.ok(restarts >= (former?.restarts ?? 0), `restarts of ${name} went from ${former?.restarts} to ${restarts}`);
  const started = starts.get(uid);
  assert.ok(started !== undefined && started > 0, `${name} has not been started`);
  return { pod, uid, told: `${status?.containerID} ${running?.startedAt}`, process: own[0] ?? '', restarts, before: restarts + 1 - started };
}
