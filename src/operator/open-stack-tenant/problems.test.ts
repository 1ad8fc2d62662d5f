import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MOST_PROBLEMS } from '../../api/open-stack-tenant.ts';
import { Problems } from './problems.ts';

test('problems are told in a lasting order, and go when they are none any more', () => {
  const problems = new Problems();
  problems.set('b', 'second');
  problems.set('a', 'first', 'an overlap');
  assert.deepEqual([problems.lines(['general']), problems.overlaps], [['general', 'first', 'second'], ['an overlap']]);
  problems.set('a', undefined);
  assert.deepEqual([problems.lines([]), problems.overlaps], [['second'], []]);
});

test('more problems than there is room for are counted', () => {
  const problems = new Problems();
  for (let n = 0; n < 100; n += 1) problems.set(String(n), `problem ${String(n).padStart(3, '0')}`);
  const lines = problems.lines([]);
  assert.deepEqual([lines.length, lines.at(-1)], [MOST_PROBLEMS, 'and 37 more']);
});
