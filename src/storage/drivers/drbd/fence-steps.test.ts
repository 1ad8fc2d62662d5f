import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ManualClock } from '../../../base/clock.ts';
import { silentLog } from '../../../base/log.ts';
import { KubeClient } from '../../../kube/client.ts';
import { FakeApi } from '../../../kube/fake-api.ts';
import type { ReplicatedVolume } from '../../../kube/yadokari.ts';
import { Facts } from './facts.ts';
import { ensureDecision, ensureFence, ensureOutdated, readmitOthers, shutOthersOut } from './fence-steps.ts';
import { OPEN_FENCE, type Fence } from './fence.ts';
import { resourceOf } from './ids.ts';
import type { KernelState } from './kernel-state.ts';
import type { Replica, ReplicaContext } from './replica.ts';
import { VolumeObjects } from './volume-objects.ts';

const signal = AbortSignal.timeout(20_000);
const id = `vol-${'0'.repeat(32)}`;
const resource = resourceOf(id);
const COLLECTION = '/apis/yadokari.dev/v1alpha1/replicatedvolumes';
const whole: KernelState = { minor: 1000, connection: 'Connected', role: 'Primary', peerRole: 'Secondary', disk: 'UpToDate', peerDisk: 'UpToDate', suspended: false, outOfSyncBytes: 0 };
const alone: KernelState = { ...whole, connection: 'WFConnection', peerRole: 'Unknown', peerDisk: 'DUnknown', suspended: true };

/** One node as the steps see it; `commands` is what it did to its kernel. */
class NodeUnderTest {
  readonly commands: string[] = [];
  readonly facts: Facts;
  readonly context: ReplicaContext;
  /** What the kernel says when it is asked again. */
  now: KernelState | undefined;
  readonly #name: string;
  readonly #api: FakeApi;

  constructor(name: string, { api, folder, onNoQuorum = 'suspend-io' }: { readonly api: FakeApi; readonly folder: string; readonly onNoQuorum?: 'suspend-io' | 'io-error' }) {
    this.#name = name;
    this.#api = api;
    this.facts = new Facts(join(folder, name));
    const did = async (args: readonly string[]): Promise<void> => void this.commands.push(args.join(' '));
    this.context = {
      node: name, major: 8, settings: { onNoQuorum }, clock: new ManualClock(), log: silentLog, facts: this.facts,
      objects: new VolumeObjects(new KubeClient(api), 'drbd'), kernel: { admin: did, setup: did, state: async () => this.now },
    } as unknown as ReplicaContext;
  }

  replica(state: KernelState, more: Partial<Replica> = {}): Replica {
    const volume = this.#api.objects.get(`${COLLECTION}/${id}`) as unknown as ReplicatedVolume;
    const [mine, ...others] = volume.spec.replicas.toSorted((a) => (a.node === this.#name ? -1 : 1));
    return { id, resource, volume, mine: mine ?? { node: '', nodeId: 0 }, others, minor: 1000, port: 7000, state, aloneMs: 0, said: { node: this.#name }, ...more };
  }
}

describe('replicas that do not see each other', () => {
  let folder: string;
  let api: FakeApi;
  let one: NodeUnderTest;
  let two: NodeUnderTest;
  const given = (fence: Fence, more: object = {}): void => api.put(COLLECTION, { apiVersion: 'yadokari.dev/v1alpha1', kind: 'ReplicatedVolume', metadata: { name: id }, spec: { backend: 'drbd', requestedName: 'a', sizeBytes: 1, replicas: [{ node: 'n1', nodeId: 0 }, { node: 'n2', nodeId: 1 }], fence, ...more } } as ReplicatedVolume);
  const fence = (): Fence => (api.objects.get(`${COLLECTION}/${id}`) as unknown as ReplicatedVolume).spec.fence;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-fence-'));
    api = new FakeApi();
    one = new NodeUnderTest('n1', { api, folder });
    two = new NodeUnderTest('n2', { api, folder });
    for (const { facts } of [one, two]) await facts.prepare();
    given(OPEN_FENCE);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('are shut out by just one of those that try at once', async () => {
    for (let round = 0; round < 50; round += 1) {
      given(OPEN_FENCE);
      for (const { facts } of [one, two]) await facts.unset(resource, 'fenced');
      const nodes = round % 2 === 0 ? [one, two] : [two, one];
      const won = await Promise.all(nodes.map((node) => shutOthersOut(node.replica(alone), node.context)));
      assert.equal(won.filter((wins) => wins).length, 1);
      assert.equal(nodes.filter(({ facts }) => facts.has(resource, 'fenced')).length, 1);
      assert.equal(fence().outdated.length, 1);
    }
  });

  it('let the one that writes go on once the other is out, and it does not ask while it sees that', async () => {
    await ensureFence(one.replica(whole), one.context, signal);
    assert.deepEqual(fence(), OPEN_FENCE);
    await ensureFence(one.replica(alone), one.context, signal);
    assert.deepEqual([fence().outdated, fence().by, one.facts.has(resource, 'fenced'), one.commands], [['n2'], 'n1', true, []]);
    // The kernel has asked in vain meanwhile.
    await ensureFence(one.replica(alone, { aloneMs: 60_000 }), one.context, signal);
    assert.deepEqual(one.commands, ['resume-io 1000']);
    await ensureOutdated(two.replica({ ...alone, role: 'Secondary', suspended: false }), two.context, signal);
    assert.deepEqual(two.commands, ['outdate 1000']);
  });

  it('let the writes of one that was replaced fail, with its disk away first', async () => {
    given({ outdated: ['n1'], by: 'n2', epoch: 1 });
    await ensureFence(one.replica(alone), one.context, signal);
    assert.deepEqual([one.commands, one.facts.has(resource, 'fenced')], [['detach 1000 --force', 'resume-io 1000'], false]);
  });

  it('let nothing go on while the disk is but about to go, and do so later', async () => {
    given({ outdated: ['n1'], by: 'n2', epoch: 1 });
    one.now = { ...alone, disk: 'Failed' };
    const looking = ensureFence(one.replica(alone), one.context, signal);
    await delay(20);
    await (one.context.clock as ManualClock).advance(10_000);
    await looking;
    assert.deepEqual(one.commands, ['detach 1000 --force']);
    one.now = { ...alone, disk: 'Diskless' };
    await ensureFence(one.replica({ ...alone, disk: 'Failed' }), one.context, signal);
    assert.deepEqual(one.commands, ['detach 1000 --force', 'resume-io 1000']);
  });

  for (const [onNoQuorum, commands] of [['suspend-io', []], ['io-error', ['detach 1000 --force', 'resume-io 1000']]] as const) {
    it(`do as ${onNoQuorum} says while nobody can be asked`, async () => {
      const node = new NodeUnderTest('n1', { api, folder, onNoQuorum });
      const replica = node.replica(alone, { aloneMs: 60_000 });
      api.faults.push({ match: /GET/, status: 503 });
      await assert.rejects(async () => ensureFence(replica, node.context, signal), { code: 'BackendUnreachable' });
      assert.deepEqual([node.commands, node.facts.has(resource, 'fenced')], [commands, false]);
    });
  }

  it('do not let one go on whose own data are not whole', async () => {
    const replica = one.replica({ ...alone, disk: 'Inconsistent' });
    await ensureFence(replica, one.context, signal);
    assert.deepEqual([fence(), one.facts.has(resource, 'fenced')], [OPEN_FENCE, false]);
    assert.match(replica.said.message ?? '', /Inconsistent/);
  });

  it('are let in again once they have all, unless they were lost again meanwhile', async () => {
    given({ outdated: ['n2'], by: 'n1', epoch: 1 });
    await one.facts.set(resource, 'fenced');
    one.now = alone;
    await readmitOthers(one.replica(whole), one.context, signal);
    assert.deepEqual([fence().outdated, one.facts.has(resource, 'fenced')], [['n2'], false]);
    one.now = whole;
    await readmitOthers(one.replica({ ...whole, connection: 'SyncSource', peerDisk: 'Inconsistent' }), one.context, signal);
    assert.deepEqual(fence().outdated, ['n2']);
    await readmitOthers(one.replica(whole), one.context, signal);
    assert.deepEqual(fence(), { outdated: [], epoch: 2 });
    given({ outdated: ['n2'], by: 'n1', epoch: 1 });
    two.now = whole;
    await readmitOthers(two.replica(whole), two.context, signal);
    assert.deepEqual(fence().outdated, ['n2']);
  });

  it('wait for a decision where both were changed, and do what it says', async () => {
    const apart: KernelState = { ...alone, connection: 'StandAlone', role: 'Secondary', suspended: false };
    for (const { facts } of [one, two]) await facts.set(resource, 'split-brain');
    const undecided = two.replica(apart);
    await ensureDecision(undecided, two.context, signal);
    assert.deepEqual([two.commands, undecided.said.splitBrain], [[], true]);
    assert.match(undecided.said.message ?? '', /"discard":"n1".*"discard":"n2"/);
    given(OPEN_FENCE, { discard: 'n2' });
    const busy = two.replica({ ...apart, role: 'Primary' });
    await ensureDecision(busy, two.context, signal);
    assert.match(busy.said.message ?? '', /end what uses the volume there/);
    await ensureDecision(two.replica(apart), two.context, signal);
    await ensureDecision(one.replica(apart), one.context, signal);
    assert.deepEqual([two.commands, one.commands], [[`connect --discard-my-data ${resource}`], [`connect ${resource}`]]);
    await ensureDecision(two.replica({ ...whole, connection: 'SyncTarget', role: 'Secondary' }), two.context, signal);
    assert.deepEqual([fence().outdated, two.facts.has(resource, 'split-brain')], [['n2'], false]);
    assert.equal((api.objects.get(`${COLLECTION}/${id}`) as unknown as ReplicatedVolume).spec.discard, undefined);
  });

  it('go on with what is left where somebody has decided that the newer data are lost', async () => {
    given({ outdated: ['n2'], by: 'n1', epoch: 1 }, { discard: 'n1' });
    await ensureDecision(two.replica({ ...alone, role: 'Secondary', disk: 'Outdated', suspended: false }), two.context, signal);
    assert.deepEqual([fence().outdated, fence().by, two.facts.has(resource, 'fenced')], [['n1'], 'n2', true]);
    assert.deepEqual(two.commands, [`primary --force ${resource}`, `secondary ${resource}`]);
  });
});
