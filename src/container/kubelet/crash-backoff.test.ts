import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CrashBackoff, goDuration } from './crash-backoff.ts';

describe('the back-off of containers that crash', () => {
  it('starts at once, then after 10 s doubling to 5 min', () => {
    const backoff = new CrashBackoff();
    const delays: (number | undefined)[] = [];
    for (let now = 0, round = 0; round < 8; round += 1) {
      const delay = backoff.delayOf('main', now, now);
      delays.push(delay?.delayMs);
      backoff.count('main', now, delay?.untilMs ?? now);
      now = (delay?.untilMs ?? now) + 1000;
    }
    assert.deepEqual(delays, [undefined, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
  });

  it('forgets after ten minutes of life', () => {
    const backoff = new CrashBackoff();
    backoff.count('main', 0, 0);
    backoff.count('main', 10_000, 20_000);
    assert.equal(backoff.delayOf('main', 620_000, 620_000)?.delayMs, 20_000);
    assert.equal(backoff.delayOf('main', 620_001, 620_001), undefined);
    backoff.count('main', 620_001, 620_001);
    assert.equal(backoff.delayOf('main', 630_000, 630_000)?.delayMs, 10_000);
  });

  it('goes on from what was counted before', () => {
    const backoff = new CrashBackoff();
    backoff.seed('main', 3, 1000);
    backoff.seed('main', 9, 1000);
    backoff.seed('other', 0, 1000);
    assert.deepEqual([backoff.delayOf('main', 1000, 1000), backoff.delayOf('other', 1000, 1000)], [{ untilMs: 41_000, delayMs: 40_000 }, undefined]);
  });

  it('counts from when an end was first heard of, where the clock of a guest is ahead', () => {
    const backoff = new CrashBackoff();
    backoff.seed('main', 1, 0);
    assert.deepEqual([5000, 9000, 20_000].map((now) => backoff.delayOf('main', 300_000, now)?.untilMs), [15_000, 15_000, 15_000]);
  });

  it('writes durations as Go does', () => assert.deepEqual([10_000, 80_000, 300_000].map(goDuration), ['10s', '1m20s', '5m0s']));
});
