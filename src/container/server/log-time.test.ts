import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fullTime, nanosecondsOf } from './log-time.ts';

it('reads times with any number of digits', () => {
  assert.equal(nanosecondsOf('1970-01-01T00:00:01Z'), 1_000_000_000n);
  assert.equal(nanosecondsOf('1970-01-01T01:00:01.5+01:00'), 1_500_000_000n);
  assert.equal(nanosecondsOf('1970-01-01T00:00:00.000000001Z'), 1n);
  assert.equal(nanosecondsOf('yesterday'), 0n);
});

it('shows all nine digits', () => {
  assert.equal(fullTime('1970-01-01T00:00:01Z'), '1970-01-01T00:00:01.000000000Z');
  assert.equal(fullTime('1970-01-01T00:00:01.12+01:00'), '1970-01-01T00:00:01.120000000+01:00');
  assert.equal(fullTime('1970-01-01T00:00:01.123456789Z'), '1970-01-01T00:00:01.123456789Z');
});
