import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { ContainerError, type ContainerRuntime } from '../container/port.ts';
import { KubeClient } from '../kube/client.ts';
import { timestamp } from '../kube/conditions.ts';
import type { Pod } from '../kube/core.ts';
import { FakeApi } from '../kube/fake-api.ts';
import { memoryIpam, SimulatedNetwork } from '../network/drivers/simulated/simulated-network.ts';
import { SimulatedHypervisor } from '../vm/drivers/simulated/hypervisor.ts';
import type { DiskStore } from '../vm/port.ts';
import { anchorOf, type Anchor } from './anchor.ts';
import { ConsoleForwarders } from './console-forwarders.ts';
import { EndpointRegistry } from './endpoint-registry.ts';
import { GuestStopper } from './guest-stopper.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const COLLECTION = '/api/v1/namespaces/shop/pods';
const signal = AbortSignal.timeout(20_000);

/** An anchor whose deletion was asked for just now, with this grace period of its own. */
function deleting(graceSeconds: number): Anchor {
  const pod: Pod = {
    apiVersion: 'v1', kind: 'Pod',
    metadata: {
      namespace: 'shop', name: 'web-abcde', uid: 'p1', finalizers: ['other', 'yadokari.dev/guest'], labels: { 'yadokari.dev/virtual-machine': 'web' },
      annotations: { 'yadokari.dev/guest': JSON.stringify({ name: 'web', uid: 'u1' }) }, deletionTimestamp: timestamp(NOW + graceSeconds * 1000), deletionGracePeriodSeconds: graceSeconds,
    },
    spec: { containers: [] }, status: { containerStatuses: [{ name: 'guest', ready: true, restartCount: 0, containerID: 'containerd://c1' }] },
  };
  const anchor = anchorOf(pod);
  assert.ok(anchor !== undefined);
  return anchor;
}

async function given(options: { readonly graceSeconds?: number; readonly shutdownMs?: number; readonly runtimeFails?: boolean } = {}) {
  const clock = new ManualClock(NOW);
  const api = new FakeApi();
  const hypervisor = new SimulatedHypervisor({ clock, startMs: 0, shutdownMs: options.shutdownMs ?? 1000, consoleLogs: false });
  const network = new SimulatedNetwork({ node: 'n1', ipam: await memoryIpam() });
  const stopped: string[] = [];
  const runtime: ContainerRuntime = {
    stopContainer: async (id, seconds) => {
      stopped.push(`${id} ${seconds}`);
      if (options.runtimeFails === true) throw new ContainerError('RuntimeUnavailable', 'away');
    },
    [Symbol.dispose]: () => {},
  };
  const endpoints = new EndpointRegistry();
  const consoles = new ConsoleForwarders({ disks: {} as DiskStore, podLogDirectory: '/nowhere', log: silentLog });
  const stopper = new GuestStopper({ client: new KubeClient(api), hypervisor, network, runtime, endpoints, consoles, clock, log: silentLog });
  const anchor = deleting(options.graceSeconds ?? 40);
  api.put(COLLECTION, anchor.pod);
  await network.ensureGuest({ namespace: 'shop', virtualMachine: 'web', uid: 'u1', pod: 'web-abcde', hostname: 'web' }, signal);
  const started = hypervisor.start({ id: 'u1', name: 'shop.web', hostname: 'web', memoryMiB: 64, cpu: { sockets: 1, cores: 1, threads: 1 }, boot: { kind: 'firmware', firmware: 'bios' }, disks: [], interfaces: [], consoleLogPath: '/nowhere/console.log' });
  await clock.advance(0);
  await started;
  return { clock, api, hypervisor, network, stopped, stopper, anchor, stop: async () => stopper.stop(anchor, await hypervisor.get('u1'), signal) };
}

describe('a guest whose anchor is deleted', () => {
  it('is asked to shut down, and asked again while it does not hear', async () => {
    const world = await given({ shutdownMs: 5000 });
    assert.deepEqual(await world.stop(), { requeueAfterMs: 2000 });
    await world.clock.advance(2000);
    assert.equal((await world.hypervisor.get('u1')).phase, 'running');
    assert.deepEqual(await world.stop(), { requeueAfterMs: 2000 });
    await world.clock.advance(5000);
    assert.deepEqual(await world.hypervisor.get('u1'), { phase: 'stopped', reason: 'shutdown' });
    assert.equal(await world.stop(), undefined);
  });

  it('is ended when its own grace period is over, before the one of the anchor', async () => {
    const world = await given({ graceSeconds: 40, shutdownMs: 3_600_000 });
    await world.clock.advance(9500);
    assert.deepEqual(await world.stop(), { requeueAfterMs: 500 });
    await world.clock.advance(500);
    assert.equal(await world.stop(), undefined);
    assert.deepEqual(await world.hypervisor.get('u1'), { phase: 'stopped', reason: 'destroyed' });
  });

  for (const graceSeconds of [0, 30]) {
    it(`is ended at once when it has no grace period (${graceSeconds} s of the anchor)`, async () => {
      const world = await given({ graceSeconds });
      assert.equal(await world.stop(), undefined);
      assert.deepEqual(await world.hypervisor.get('u1'), { phase: 'stopped', reason: 'destroyed' });
    });
  }

  it('is ended at once when it is paused, since it can hear nothing', async () => {
    const world = await given();
    await world.hypervisor.pause('u1');
    assert.equal(await world.stop(), undefined);
    assert.deepEqual(await world.hypervisor.get('u1'), { phase: 'stopped', reason: 'destroyed' });
  });
});

describe('an anchor whose guest has ended', () => {
  it('leaves no guest and no tap, and its container is ended without delay', async () => {
    const world = await given();
    await world.stopper.release(world.anchor, signal);
    assert.equal((await world.hypervisor.get('u1')).phase, 'absent');
    assert.equal(world.network.guests.size, 0);
    assert.deepEqual(world.stopped, ['c1 0']);
  });

  it('loses the finalizer of the guest and no other, by a patch that fails when the list has changed', async () => {
    const world = await given();
    const bodies: unknown[] = [];
    const send = world.api.send.bind(world.api);
    world.api.send = async (request) => {
      if (request.method === 'PATCH') bodies.push(JSON.parse(request.body ?? ''));
      return send(request);
    };
    await world.stopper.release(world.anchor, signal);
    assert.deepEqual(bodies, [[{ op: 'test', path: '/metadata/finalizers/1', value: 'yadokari.dev/guest' }, { op: 'remove', path: '/metadata/finalizers/1' }]]);
  });

  it('is let go although the runtime does not answer: the kubelet ends the container later', async () => {
    const world = await given({ runtimeFails: true });
    await world.stopper.release(world.anchor, signal);
    assert.ok(world.api.requests.some((request) => request.startsWith('PATCH')));
  });

  it('may be gone already', async () => {
    const world = await given();
    world.api.remove(COLLECTION, 'web-abcde');
    await world.stopper.release(world.anchor, signal);
  });

  it('is released again after a failure', async () => {
    const world = await given();
    world.api.faults.push({ match: /^PATCH/, status: 500 });
    await assert.rejects(world.stopper.release(world.anchor, signal));
    await world.stopper.release(world.anchor, signal);
    assert.equal((await world.hypervisor.get('u1')).phase, 'absent');
  });
});
