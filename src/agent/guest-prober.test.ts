import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import type { CompiledGuest, CompiledProbe } from '../api/compiled-guest.ts';
import { ManualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import type { EventNote, EventRecorder } from '../kube/event-recorder.ts';
import type { Pod } from '../kube/core.ts';
import { GuestError, type Hypervisor } from '../vm/port.ts';
import { anchorOf, type Anchor } from './anchor.ts';
import { GuestProber } from './guest-prober.ts';

const timing = { initialDelaySeconds: 60, periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3 };
const agentProbe: CompiledProbe = { action: { kind: 'guestAgent' }, timing };

function anchorWith(probes: CompiledGuest['probes'], uid = 'p1'): Anchor {
  const pod: Pod = {
    apiVersion: 'v1', kind: 'Pod', spec: { containers: [] },
    metadata: { namespace: 'shop', name: 'web-1', uid, labels: { 'yadokari.dev/virtual-machine': 'web' }, annotations: { 'yadokari.dev/guest': JSON.stringify({ name: 'web', uid: 'u1', probes }) } },
  };
  return anchorOf(pod) ?? assert.fail('no anchor');
}

/** A prober on a node whose guest agents answer while `healthy` holds. */
function given() {
  const clock = new ManualClock();
  const [changes, notes]: [string[], EventNote[]] = [[], []];
  const world = { clock, changes, notes, healthy: true, pings: 0 };
  const hypervisor = {
    agentCommand: async () => {
      world.pings += 1;
      if (!world.healthy) throw new GuestError('AgentNotConnected', 'no agent');
    },
  } as unknown as Hypervisor;
  const events = { record: (_object: unknown, note: EventNote) => void notes.push(note) } as unknown as EventRecorder;
  const prober = new GuestProber({ hypervisor, events, onChange: (key) => void changes.push(key), clock, log: silentLog });
  return Object.assign(world, { prober, [Symbol.dispose]: () => prober[Symbol.dispose]() });
}

describe('the liveness of a guest', () => {
  it('is probed from its initial delay on, without a word while all is well', async () => {
    using world = given();
    const anchor = anchorWith({ liveness: agentProbe });
    world.prober.watch(anchor, '10.0.0.1', 0);
    await world.clock.advance(59_000);
    assert.equal(world.pings, 0);
    await world.clock.advance(600_000);
    assert.ok(world.pings > 50);
    assert.deepEqual([world.changes, world.notes, world.prober.failureOf(anchor)], [[], [], undefined]);
  });

  it('fails after its threshold, is warned of once, and is probed no more', async () => {
    using world = given();
    const anchor = anchorWith({ liveness: agentProbe });
    world.healthy = false;
    world.prober.watch(anchor, '10.0.0.1', 0);
    await world.clock.advance(75_000);
    assert.deepEqual([world.prober.failureOf(anchor), world.changes], [undefined, []]);
    await world.clock.advance(100_000);
    assert.deepEqual([world.prober.failureOf(anchor), world.changes, world.pings], ['the guest agent does not answer guest-ping', ['shop/web-1'], 3]);
    assert.deepEqual(world.notes, [{ type: 'Warning', reason: 'Unhealthy', message: 'liveness probe failed: the guest agent does not answer guest-ping; after 3 failures in a row the guest is ended' }]);
  });

  it('is not probed, and what failed before is forgotten, once the guest is paused or going', async () => {
    using world = given();
    const anchor = anchorWith({ liveness: agentProbe });
    world.healthy = false;
    world.prober.watch(anchor, '10.0.0.1', 0);
    await world.clock.advance(85_000);
    assert.notEqual(world.prober.failureOf(anchor), undefined);
    world.prober.forget(anchor.key);
    await world.clock.advance(100_000);
    assert.deepEqual([world.prober.failureOf(anchor), world.pings], [undefined, 3]);
    world.prober.watch(anchor, '10.0.0.1', 0);
    await world.clock.advance(15_000);
    assert.deepEqual([world.prober.failureOf(anchor), world.pings], [undefined, 5]);
  });

  it("is not that of the anchor before it under the same name", async () => {
    using world = given();
    const [first, second] = [anchorWith({ liveness: agentProbe }), anchorWith({ liveness: agentProbe }, 'p2')];
    world.healthy = false;
    world.prober.watch(first, '10.0.0.1', 0);
    await world.clock.advance(85_000);
    world.prober.watch(second, '10.0.0.1', 85_000);
    assert.equal(world.prober.failureOf(second), undefined);
  });

  it('is probed at the address that the guest has now', async () => {
    using world = given();
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const asked = once(server, 'connection');
    const anchor = anchorWith({ liveness: { action: { kind: 'tcpSocket', port: (server.address() as AddressInfo).port }, timing: { ...timing, initialDelaySeconds: 5 } } });
    world.prober.watch(anchor, '127.0.0.2', 0);
    world.prober.watch(anchor, '127.0.0.1', 0);
    await world.clock.advance(6000);
    await asked;
    server.close();
  });
});

describe('the readiness of a guest by its agent', () => {
  it('is unknown until its first result, and told when it changes', async () => {
    using world = given();
    const anchor = anchorWith({ readiness: { action: { kind: 'guestAgent' }, timing: { ...timing, initialDelaySeconds: 0, periodSeconds: 1 } } });
    assert.equal(world.prober.readinessOf(anchor), 'unknown');
    world.healthy = false;
    world.prober.watch(anchor, '10.0.0.1', 0);
    await world.clock.advance(1500);
    assert.equal(world.prober.readinessOf(anchor), 'unknown');
    await world.clock.advance(1000);
    assert.equal(world.prober.readinessOf(anchor), 'unready');
    world.healthy = true;
    await world.clock.advance(1000);
    assert.equal(world.prober.readinessOf(anchor), 'ready');
    assert.deepEqual([world.changes.length, world.notes], [2, []]);
  });

  it('is given where the kubelet probes, or nobody', () => {
    using world = given();
    const anchor = anchorWith(undefined);
    world.prober.watch(anchor, '10.0.0.1', 0);
    assert.equal(world.prober.readinessOf(anchor), 'ready');
  });
});
