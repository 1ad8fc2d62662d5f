import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { Limiter, LimiterFullError } from './limiter.ts';

const settle = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));

test('no more than so many run at once, in the order in which they came', async () => {
  const limiter = new Limiter({ atOnce: 2, perSecond: 100, clock: new ManualClock() });
  const begun: number[] = [];
  const ends = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
  const all = ends.map(({ promise }, index) => limiter.run(() => (begun.push(index), promise)));
  await settle();
  assert.deepEqual(begun, [0, 1]);
  ends[1]?.resolve();
  await settle();
  assert.deepEqual(begun, [0, 1, 2]);
  for (const { resolve } of ends) resolve();
  await Promise.all(all);
  assert.deepEqual(begun, [0, 1, 2, 3]);
});

test('no more than so many begin in a second', async () => {
  const clock = new ManualClock();
  const limiter = new Limiter({ atOnce: 100, perSecond: 10, clock });
  let begun = 0;
  const all = Array.from({ length: 25 }, () => limiter.run(async () => void (begun += 1)));
  await settle();
  assert.equal(begun, 10);
  await clock.advance(1000);
  assert.equal(begun, 20);
  await clock.advance(1000);
  await Promise.all(all);
  assert.equal(begun, 25);
});

test('whoever aborts leaves the queue, and the others go on', async () => {
  const limiter = new Limiter({ atOnce: 1, perSecond: 100, clock: new ManualClock() });
  const first = Promise.withResolvers<void>();
  const running = limiter.run(() => first.promise);
  const aborting = new AbortController();
  const left = limiter.run(() => assert.fail('it must not run'), aborting.signal);
  const third = limiter.run(async () => 3);
  aborting.abort(new Error('enough'));
  await assert.rejects(left, /enough/);
  first.resolve();
  await running;
  assert.equal(await third, 3);
});

test('work that fails makes room as well', async () => {
  const limiter = new Limiter({ atOnce: 1, perSecond: 100, clock: new ManualClock() });
  await assert.rejects(limiter.run(() => Promise.reject(new Error('no'))), /no/);
  assert.equal(await limiter.run(async () => 1), 1);
});

test('the queue is bounded', async () => {
  const limiter = new Limiter({ atOnce: 1, perSecond: 100, waiting: 1, clock: new ManualClock() });
  const first = Promise.withResolvers<void>();
  const both = [limiter.run(() => first.promise), limiter.run(async () => {})];
  await assert.rejects(limiter.run(async () => {}), LimiterFullError);
  first.resolve();
  await Promise.all(both);
});
