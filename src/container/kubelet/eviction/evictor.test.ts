import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ManualClock } from '../../../base/clock.ts';
import { examplePod } from '../examples.ts';
import type { KubeletContext } from '../port.ts';
import { Evictor } from './evictor.ts';

const MI = 2 ** 20;

it('drives nobody else out while the last one is still leaving, for half a minute at most', async () => {
  const clock = new ManualClock();
  const pods = ['one', 'two', 'three'].map((name) => examplePod({}, { metadata: { name, uid: name } }));
  const leaving = new Set<string>();
  const gone: string[] = [];
  const context = {
    clock, cri: { listStats: async () => [] },
    room: async () => ({ memoryAvailableBytes: MI, diskCapacityBytes: MI, diskAvailableBytes: MI, inodes: 0, inodesFree: 0 }),
  } as unknown as KubeletContext;
  const evictor = new Evictor({
    context, pods: () => pods.filter(({ metadata }) => !gone.includes(metadata.name)), isLeaving: (uid) => leaving.has(uid),
    evict: ({ metadata }) => {
      gone.push(metadata.name);
      leaving.add(metadata.uid ?? '');
    },
  });
  const look = async (): Promise<number> => {
    await evictor.look(new AbortController().signal);
    return gone.length;
  };
  assert.equal(await look(), 1);
  await clock.advance(29_000);
  assert.equal(await look(), 1);
  leaving.clear();
  assert.equal(await look(), 2, 'it has gone, and was not enough');
  await clock.advance(30_000);
  assert.equal(await look(), 3, 'it does not go');
});
