import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { Chores } from './chores.ts';

describe('chores', { timeout: 10_000 }, () => {
  it('are done now and then, one at a time, whether or not one fails', async () => {
    const fifth = Promise.withResolvers<void>();
    let [begun, running, most] = [0, 0, 0];
    await using chores = new Chores(async () => {
      begun += 1;
      running += 1;
      most = Math.max(most, running);
      await delay(2);
      running -= 1;
      if (begun === 5) fifth.resolve();
      throw new Error('not this time');
    }, 1);
    await chores.now();
    await fifth.promise;
    assert.equal(most, 1);
  });

  it('have an end that waits for the one in the middle, after which none begins', async () => {
    const first = Promise.withResolvers<void>();
    const seen: string[] = [];
    const chores = new Chores(async () => {
      seen.push('begun');
      first.resolve();
      await delay(20);
      seen.push('ended');
    }, 1);
    void chores.now();
    void chores.now();
    await first.promise;
    await chores[Symbol.asyncDispose]();
    await chores.now();
    await delay(10);
    assert.deepEqual(seen, ['begun', 'ended']);
  });
});
