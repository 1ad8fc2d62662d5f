import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { CompiledGuest, CompiledProbe } from '../api/compiled-guest.ts';
import { API_VERSION, CONDITION_GUEST } from '../api/group.ts';
import type { GuestStatus } from '../api/guest-status.ts';
import { ManualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { KubeClient } from '../kube/client.ts';
import { conditionOf } from '../kube/conditions.ts';
import { pods as podResource, type Event, type Pod } from '../kube/core.ts';
import { EventRecorder } from '../kube/event-recorder.ts';
import { FakeApi } from '../kube/fake-api.ts';
import { Informer } from '../kube/informer.ts';
import type { VirtualMachine } from '../kube/yadokari.ts';
import { memoryIpam, SimulatedNetwork } from '../network/drivers/simulated/simulated-network.ts';
import { SimulatedHypervisor } from '../vm/drivers/simulated/hypervisor.ts';
import { GuestError, type DiskStore, type GuestDefinition } from '../vm/port.ts';
import { AnchorReconciler } from './anchor-reconciler.ts';
import { ConsoleForwarders } from './console-forwarders.ts';
import { DiskPlugger } from './disk-plugger.ts';
import { EndpointRegistry } from './endpoint-registry.ts';
import type { GuestBuilder } from './guest-builder.ts';
import { GuestNodes } from './guest-nodes.ts';
import { GuestProber } from './guest-prober.ts';
import { GuestReporter } from './guest-reporter.ts';
import { GuestStarter } from './guest-starter.ts';
import { GuestStopper } from './guest-stopper.ts';
import type { GuestVolumes } from './guest-volumes.ts';
import { MachineLookup } from './machine-lookup.ts';

const PODS = '/api/v1/namespaces/shop/pods';
const VMS = '/apis/yadokari.dev/v1alpha1/namespaces/shop/virtualmachines';
const KEY = 'shop/web-abcde';
const NOW = Date.parse('2026-01-01T12:00:00Z');
const signal = AbortSignal.timeout(20_000);

const definition: GuestDefinition = { id: 'u1', name: 'shop.web', hostname: 'web', memoryMiB: 64, cpu: { sockets: 1, cores: 1, threads: 1 }, boot: { kind: 'firmware', firmware: 'bios' }, disks: [], interfaces: [], consoleLogPath: '/nowhere/console.log' };
const builder = { clear: async () => {}, abandon: () => {}, files: async () => ({}), define: () => definition } as unknown as GuestBuilder;
const disks = { consoleLogPath: async () => '/nowhere/console.log' } as unknown as DiskStore;

const pod: Pod = {
  apiVersion: 'v1', kind: 'Pod',
  metadata: { namespace: 'shop', name: 'web-abcde', uid: 'p1', finalizers: ['yadokari.dev/guest'], labels: { 'yadokari.dev/virtual-machine': 'web' } },
  spec: { containers: [], nodeName: 'n1' },
};
const podWith = (guest: Partial<CompiledGuest> = {}): Pod => ({ ...pod, metadata: { ...pod.metadata, annotations: { 'yadokari.dev/guest': JSON.stringify({ name: 'web', uid: 'u1', hostname: 'web', disks: [], ...guest }) } } });
const machine = (guest?: Partial<GuestStatus>): VirtualMachine => ({
  apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: { namespace: 'shop', name: 'web', uid: 'u1' }, spec: { memory: '64Mi' },
  ...(guest === undefined ? {} : { status: { guest: { phase: 'Running', anchor: 'web-abcde', anchorUID: 'p1', node: 'n1', ...guest } } }),
});

/** A node's reconciler as it is after its agent was started, with what the API and the host know already. */
async function given(options: { readonly guest?: Partial<CompiledGuest>; readonly stored?: Partial<GuestStatus>; readonly hypervisor?: SimulatedHypervisor } = {}) {
  const clock = new ManualClock(NOW);
  const api = new FakeApi();
  const vm = machine(options.stored);
  const anchor = podWith(options.guest);
  for (const [collection, object] of [[PODS, anchor], ['/api/v1/pods', anchor], [VMS, vm]] as const) api.put(collection, object);
  const client = new KubeClient(api);
  const [pods, machines] = [new Informer(client, podResource), new MachineLookup(client)];
  pods.start();
  await pods.waitForSync(signal);
  const hypervisor = options.hypervisor ?? new SimulatedHypervisor({ clock, startMs: 0, consoleLogs: false });
  const network = new SimulatedNetwork({ node: 'n1', ipam: await memoryIpam() });
  const events = new EventRecorder({ client, controller: 'test', instance: 'n1', log: silentLog, clock });
  const [endpoints, consoles] = [new EndpointRegistry(), new ConsoleForwarders({ disks, podLogDirectory: '/nowhere', log: silentLog })];
  const reporter = new GuestReporter({ client, node: 'n1', clock });
  const changed: string[] = [];
  const prober = new GuestProber({ hypervisor, events, onChange: (anchor) => void changed.push(anchor), clock, log: silentLog });
  const starter = new GuestStarter({ builder, hypervisor, network, endpoints, reporter, events, clock, log: silentLog });
  const guestNodes = new GuestNodes({ create: () => Promise.reject(new Error('none')), network: undefined, events, log: silentLog });
  const plugger = new DiskPlugger({ hypervisor, volumes: {} as GuestVolumes, events });
  const runtime = { stopContainer: async () => {}, [Symbol.dispose]: () => {} };
  const stopper = new GuestStopper({ client, hypervisor, network, runtime, endpoints, consoles, clock, log: silentLog });
  const reconciler = new AnchorReconciler({ pods, machines, hypervisor, starter, stopper, plugger, reporter, prober, guestNodes, consoles, events, clock, log: silentLog });
  return {
    clock, api, hypervisor, network, changed, prober,
    events: async () => {
      await events.flush();
      return [...api.objects].filter(([path]) => path.includes('/events/')).map(([, event]) => (event as unknown as Event)['reason']);
    },
    gate: () => conditionOf((api.objects.get(`${PODS}/web-abcde`) as unknown as Pod).status?.conditions, CONDITION_GUEST)?.status,
    reconnect: () => reconciler.reconnect(KEY),
    guest: () => (api.objects.get(`${VMS}/web`) as unknown as VirtualMachine).status?.guest,
    reconcile: async () => {
      const done = reconciler.reconcile(KEY, signal);
      // A failure is the caller's to see, a moment later.
      done.catch(() => {});
      await clock.advance(0);
      return done;
    },
    [Symbol.asyncDispose]: async () => {
      consoles[Symbol.dispose]();
      prober[Symbol.dispose]();
      await pods[Symbol.asyncDispose]();
    },
  };
}

/** A host on which the guest runs already. */
async function runningHost(): Promise<SimulatedHypervisor> {
  const hypervisor = new SimulatedHypervisor({ startMs: 0, consoleLogs: false });
  await hypervisor.start(definition);
  return hypervisor;
}

describe('an anchor of this node', () => {
  it('gets its guest started, with the address that is reported', async () => {
    await using world = await given();
    await world.reconcile();
    assert.equal((await world.hypervisor.get('u1')).phase, 'running');
    const guest = world.guest();
    assert.deepEqual([guest?.phase, guest?.anchor, guest?.node, guest?.address], ['Running', 'web-abcde', 'n1', world.network.guests.get(KEY)?.address]);
  });

  it('keeps the guest that runs already when the agent is new, and finds its place on the network again', async () => {
    await using hypervisor = await runningHost();
    const run = hypervisor.runOf('shop.web');
    await using world = await given({ hypervisor, stored: { startedAt: '2026-01-01T10:00:00Z' } });
    await world.reconcile();
    await world.reconcile();
    assert.equal(hypervisor.runOf('shop.web'), run);
    assert.equal(world.guest()?.phase, 'Running');
    assert.equal(world.network.guests.size, 1);
  });

  for (const [change, address, plugs] of [['no new address', '10.244.238.0', []], ['another address', '10.244.9.9', [false, true]]] as const) {
    it(`gets ${change} when its place on the network is asked for anew: its guest's cable tells it`, async () => {
      await using world = await given();
      await world.reconcile();
      const plugged: boolean[] = [];
      world.hypervisor.setLink = async (_id, _mac, up) => void plugged.push(up);
      const ensure = world.network.ensureGuest.bind(world.network);
      world.network.ensureGuest = async (request) => ({ ...await ensure(request), address });
      await world.reconcile();
      assert.equal(world.guest()?.address, '10.244.238.0');
      world.reconnect();
      const done = world.reconcile();
      await world.clock.advance(2000);
      await done;
      assert.deepEqual([world.guest()?.address, plugged], [address, plugs]);
    });
  }

  it('tells a guest whose address became another one while no agent was there', async () => {
    await using hypervisor = await runningHost();
    await using world = await given({ hypervisor, stored: { address: '10.244.9.9', startedAt: '2026-01-01T10:00:00Z' } });
    const plugged: boolean[] = [];
    world.hypervisor.setLink = async (_id, _mac, up) => void plugged.push(up);
    const done = world.reconcile();
    await world.clock.advance(2000);
    await done;
    assert.deepEqual([world.guest()?.address, plugged], ['10.244.238.0', [false, true]]);
  });

  it('says where a floating address is left to the CNI', async () => {
    for (const [leads, told] of [[true, []], [false, ['FloatingAddressLeftToCNI']]] as const) {
      await using world = await given({ guest: { floatingAddress: '203.0.113.7' } });
      const ensure = world.network.ensureGuest.bind(world.network);
      if (!leads) world.network.ensureGuest = async (request) => {
        const { floatingAddress: _, ...rest } = request;
        return ensure(rest);
      };
      await world.reconcile();
      assert.deepEqual((await world.events()).filter((reason) => reason !== 'Started'), told);
    }
  });

  it('writes nothing when nothing changed', async () => {
    await using world = await given();
    await world.reconcile();
    const writes = (): number => world.api.requests.filter((request) => request.startsWith('PATCH')).length;
    const first = writes();
    await world.reconcile();
    assert.ok(first > 0);
    assert.equal(writes(), first);
  });

  for (const [how, crash] of [['crashed', true], ['powered off', false]] as const) {
    it(`has its ${how} guest reported once, and not started again`, async () => {
      await using world = await given();
      await world.reconcile();
      if (crash) world.hypervisor.crash('shop.web');
      else {
        await world.hypervisor.shutdown('u1');
        await world.clock.advance(1000);
      }
      await world.reconcile();
      await world.reconcile();
      assert.deepEqual([world.guest()?.phase, world.guest()?.reason], ['Stopped', crash ? 'Crashed' : 'Shutdown']);
      assert.equal((await world.hypervisor.get('u1')).phase, 'stopped');
    });
  }

  for (const phase of ['Stopped', 'Failed'] as const) {
    it(`never gets a second run after ${phase} was reported, also by an agent that knows nothing`, async () => {
      await using world = await given({ stored: { phase } });
      await world.reconcile();
      assert.equal((await world.hypervisor.get('u1')).phase, 'absent');
    });
  }

  it('gets its guest again after the host crashed, when it was reported to run', async () => {
    await using world = await given({ stored: { phase: 'Running' } });
    await world.reconcile();
    assert.equal((await world.hypervisor.get('u1')).phase, 'running');
  });

  it('says what the hypervisor has against its guest, for the operator to judge', async () => {
    const hypervisor = new SimulatedHypervisor({ startMs: 0, memoryMiB: 1 });
    await using world = await given({ hypervisor });
    await world.reconcile();
    assert.deepEqual([world.guest()?.phase, world.guest()?.reason], ['Failed', 'OutOfMemory']);
  });

  it('tries again while the hypervisor does not answer', async () => {
    const hypervisor = new SimulatedHypervisor({ startMs: 0, consoleLogs: false });
    const start = hypervisor.start.bind(hypervisor);
    let away = true;
    hypervisor.start = async (guest, ...rest) => {
      if (away) throw new GuestError('HypervisorUnavailable', 'no answer', { disposition: 'wait' });
      return start(guest, ...rest);
    };
    await using world = await given({ hypervisor });
    await assert.rejects(async () => { await world.reconcile(); }, { code: 'HypervisorUnavailable' });
    assert.equal(world.guest()?.phase, 'Preparing');
    away = false;
    await world.reconcile();
    assert.equal(world.guest()?.phase, 'Running');
  });
});

const probeOfAgent: CompiledProbe = { action: { kind: 'guestAgent' }, timing: { initialDelaySeconds: 5, periodSeconds: 1, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 2 } };

/** A host whose guest's agent answers never, or as soon as it is told to. */
function mute(hypervisor: SimulatedHypervisor): { speak: () => void } {
  const command = hypervisor.agentCommand.bind(hypervisor);
  let silent = true;
  hypervisor.agentCommand = async (...args) => {
    if (silent) throw new GuestError('AgentNotConnected', 'no answer', { disposition: 'wait' });
    return command(...args);
  };
  return { speak: () => void (silent = false) };
}

describe('an anchor with a liveness probe', () => {
  it('has its guest ended once the probe failed, and says why, once', async () => {
    await using world = await given({ guest: { probes: { liveness: probeOfAgent } } });
    mute(world.hypervisor);
    await world.reconcile();
    await world.clock.advance(5500);
    await world.reconcile();
    assert.equal((await world.hypervisor.get('u1')).phase, 'running');
    await world.clock.advance(1000);
    assert.deepEqual(world.changed, [KEY]);
    for (let time = 0; time < 3; time++) await world.reconcile();
    assert.deepEqual(await world.hypervisor.get('u1'), { phase: 'stopped', reason: 'destroyed' });
    assert.deepEqual([world.guest()?.phase, world.guest()?.reason], ['Stopped', 'LivenessFailed']);
    assert.match(world.guest()?.message ?? '', /ended, since its liveness probe failed: the guest agent does not answer/);
    assert.deepEqual((await world.events()).filter((reason) => reason !== 'Started'), ['Unhealthy', 'LivenessFailed']);
  });

  it('keeps a guest that was paused meanwhile', async () => {
    await using world = await given({ guest: { probes: { liveness: probeOfAgent } } });
    mute(world.hypervisor);
    await world.reconcile();
    await world.clock.advance(7000);
    await world.hypervisor.pause('u1');
    await world.reconcile();
    await world.clock.advance(60_000);
    await world.reconcile();
    assert.deepEqual([(await world.hypervisor.get('u1')).phase, world.guest()?.phase, world.changed.length], ['running', 'Paused', 1]);
  });

  it('keeps a guest whose probe succeeds, without a write', async () => {
    await using world = await given({ guest: { probes: { liveness: probeOfAgent } } });
    await world.reconcile();
    await world.clock.advance(4000);
    await world.reconcile();
    const before = world.api.requests.length;
    await world.clock.advance(60_000);
    assert.deepEqual([world.api.requests.length, world.changed], [before, []]);
  });

  it('tells why its guest was ended also when the agent that ended it is gone', async () => {
    const hypervisor = await runningHost();
    await hypervisor.destroy('u1');
    await using world = await given({ hypervisor, stored: { phase: 'Stopping', reason: 'LivenessFailed', message: 'the guest was ended' } });
    await world.reconcile();
    assert.deepEqual([world.guest()?.phase, world.guest()?.reason], ['Stopped', 'LivenessFailed']);
  });

  it('is not probed once it is being deleted', async () => {
    await using world = await given({ guest: { probes: { liveness: probeOfAgent } } });
    mute(world.hypervisor);
    await world.reconcile();
    world.api.put('/api/v1/pods', { ...podWith({ probes: { liveness: probeOfAgent } }), metadata: { ...podWith({ probes: { liveness: probeOfAgent } }).metadata, deletionTimestamp: '2026-01-01T12:01:00Z', deletionGracePeriodSeconds: 60 } } as Pod);
    await world.clock.advance(0);
    await delay(20);
    await world.reconcile();
    await world.clock.advance(60_000);
    assert.deepEqual(world.changed, []);
  });
});

describe('an anchor whose readiness is the guest agent', () => {
  it('opens its gate once the agent answers', async () => {
    await using world = await given({ guest: { probes: { readiness: { ...probeOfAgent, timing: { ...probeOfAgent.timing, initialDelaySeconds: 0 } } } } });
    const { speak } = mute(world.hypervisor);
    await world.reconcile();
    await world.clock.advance(3000);
    await world.reconcile();
    assert.deepEqual([world.guest()?.phase, world.gate()], ['Running', undefined]);
    speak();
    await world.clock.advance(1500);
    assert.equal(world.changed.length, 2);
    await world.reconcile();
    assert.equal(world.gate(), 'True');
  });
});
