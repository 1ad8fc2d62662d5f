import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../../../base/clock.ts';
import { silentLog } from '../../../base/log.ts';
import { SandboxWatch, type Standing } from './sandbox-watch.ts';
import type { Sandbox, Sandboxes } from './sandboxes.ts';

const sandbox = (id: string, podUid = 'u1'): Sandbox => ({ id, namespace: 'shop', pod: 'web-a', podUid });
const pod = { namespace: 'shop', pod: 'web-a', podUid: 'u1' };

/** A runtime whose sandboxes are a list, newest first. */
function given(standing: readonly Standing[] = []) {
  const clock = new ManualClock();
  const ready: Sandbox[] = [];
  const moved: string[] = [];
  const lost: string[] = [];
  let tell = (): void => {};
  const sandboxes: Sandboxes = {
    readySandboxes: async (podUid) => ready.filter((candidate) => podUid === undefined || candidate.podUid === podUid),
    pidOf: async () => undefined,
    onStart: (listener) => {
      tell = listener;
      return () => {};
    },
  };
  const watch = new SandboxWatch({ sandboxes, standing: () => standing, onMoved: (key) => moved.push(key), onLost: (key) => lost.push(key), clock, log: silentLog });
  watch.start();
  return { clock, ready, moved, lost, watch, started: () => tell(), [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose]() };
}

describe('sandboxes', () => {
  it('are found as soon as the runtime tells of them', async () => {
    await using world = given();
    const found = world.watch.wait(pod);
    await world.clock.advance(10);
    world.ready.push(sandbox('s0', 'u0'));
    world.started();
    await world.clock.advance(15);
    world.ready.push(sandbox('s1'));
    await world.clock.advance(20);
    assert.equal((await found).id, 's1');
    assert.ok(world.clock.now() < 50);
  });

  it('are found where the runtime tells of nothing', async () => {
    await using world = given();
    const found = world.watch.wait(pod);
    await world.clock.advance(1000);
    world.ready.push(sandbox('s1'));
    await world.clock.advance(300);
    assert.equal((await found).id, 's1');
  });

  it('are not waited for without end', async () => {
    await using world = given();
    const found = assert.rejects(world.watch.wait(pod), { code: 'NetworkNotReady', disposition: 'wait' });
    await world.clock.advance(3000);
    await found;
    const aborted = assert.rejects(world.watch.wait(pod, AbortSignal.abort(new Error('no longer wanted'))), /no longer wanted/);
    await world.clock.advance(10);
    await aborted;
  });

  it('that have ended are told, and those made anew, again until their guests are spliced to them', async () => {
    const standing = [{ key: 'shop/web-a', podUid: 'u1', sandbox: 's1' }];
    await using world = given(standing);
    world.ready.push(sandbox('s1'));
    await world.clock.advance(5000);
    // There was none yet at the first look.
    world.lost.length = 0;
    await world.clock.advance(5000);
    assert.deepEqual(world.lost, []);
    world.ready.splice(0, 1);
    await world.clock.advance(5000);
    assert.deepEqual(world.moved, []);
    assert.ok(world.lost.length >= 2);
    world.ready.unshift(sandbox('s2'));
    world.started();
    await world.clock.advance(50);
    assert.deepEqual(world.moved, ['shop/web-a']);
    standing[0] = { key: 'shop/web-a', podUid: 'u1', sandbox: 's2' };
    await world.clock.advance(5000);
    assert.deepEqual(world.moved, ['shop/web-a']);
  });
});
