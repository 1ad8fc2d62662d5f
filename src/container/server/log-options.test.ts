import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { logOptionsOf } from './log-options.ts';

const plain = { follow: false, previous: false, timestamps: false, stream: 'All' };

describe('what is asked of a log', () => {
  const good: readonly [string, object][] = [
    ['', {}],
    ['follow=true&previous=true&timestamps=1', { follow: true, previous: true, timestamps: true }],
    ['follow=&previous=false&timestamps=0', { follow: true }],
    ['tailLines=0&limitBytes=1', { tailLines: 0, limitBytes: 1 }],
    ['tailLines=&limitBytes=', {}],
    ['sinceSeconds=10', { since: 990_000_000_000n }],
    ['sinceTime=1970-01-01T00:00:01.5Z', { since: 1_500_000_000n }],
    ['stream=Stderr', { stream: 'Stderr' }],
  ];
  for (const [query, expected] of good) {
    it(`understands "${query}"`, () => assert.deepEqual(logOptionsOf(new URLSearchParams(query), 1_000_000), { ...plain, ...expected }));
  }

  const bad: readonly [string, RegExp][] = [
    ['tailLines=-1', /tailLines "-1" must be a whole number of at least 0/],
    ['tailLines=x', /tailLines "x"/],
    ['limitBytes=0', /limitBytes "0" must be a whole number of at least 1/],
    ['sinceSeconds=0', /sinceSeconds/],
    ['sinceSeconds=1.5', /sinceSeconds/],
    ['sinceTime=yesterday', /sinceTime "yesterday" is no time/],
    ['sinceSeconds=1&sinceTime=1970-01-01T00:00:01Z', /at most one/],
    ['stream=stdout', /is none of All, Stdout, Stderr/],
    ['stream=Stdout&tailLines=1', /tailLines can only be given with all streams/],
  ];
  for (const [query, message] of bad) {
    it(`refuses "${query}"`, () => assert.throws(() => logOptionsOf(new URLSearchParams(query), 0), { name: 'RangeError', message }));
  }
});
