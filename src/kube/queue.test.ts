import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { WorkQueue } from './queue.ts';

test('hands out a key once however often it is added', async () => {
  const queue = new WorkQueue<string>();
  for (const key of ['a', 'a', 'b', 'a']) queue.add(key);
  assert.equal(queue.length, 2);
  assert.deepEqual([await queue.take(), await queue.take()], ['a', 'b']);
});

test('a key added while it is worked on comes back after done, never before', async () => {
  const queue = new WorkQueue<string>();
  queue.add('a');
  assert.equal(await queue.take(), 'a');
  queue.add('a');
  assert.equal(queue.length, 0);
  queue.done('a');
  assert.equal(await queue.take(), 'a');
  queue.done('a');
  assert.equal(queue.length, 0);
});

test('of several delays the earliest wins', async () => {
  const clock = new ManualClock();
  const queue = new WorkQueue<string>({ clock });
  queue.addAfter('a', 1000);
  queue.addAfter('a', 100);
  queue.addAfter('a', 500);
  await clock.advance(99);
  assert.equal(queue.length, 0);
  await clock.advance(1);
  assert.equal(queue.length, 1);
  assert.equal(await queue.take(), 'a');
  queue.done('a');
  await clock.advance(2000);
  assert.equal(queue.length, 0);
});

test('an add overtakes a delay', async () => {
  const clock = new ManualClock();
  const queue = new WorkQueue<string>({ clock });
  queue.addAfter('a', 1000);
  queue.add('a');
  assert.equal(await queue.take(), 'a');
  queue.done('a');
  await clock.advance(5000);
  assert.equal(queue.length, 0);
});

test('failures come back later and later, up to the cap, until they are forgotten', () => {
  const queue = new WorkQueue<string>({ clock: new ManualClock(), backoff: { baseMs: 10, capMs: 45 } });
  assert.deepEqual([1, 2, 3, 4].map(() => queue.addRateLimited('a')), [10, 20, 40, 45]);
  queue.forget('a');
  assert.equal(queue.addRateLimited('a'), 10);
});

test('close wakes all who wait', async () => {
  const queue = new WorkQueue<string>();
  const waiting = [queue.take(), queue.take()];
  queue.close();
  assert.deepEqual(await Promise.all(waiting), [undefined, undefined]);
  queue.add('a');
  assert.equal(await queue.take(), undefined);
});
