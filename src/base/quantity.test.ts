import assert from 'node:assert/strict';
import { it } from 'node:test';
import { amountOf, exactBytes } from './quantity.ts';

it('reads quantities in all their forms', () => {
  assert.deepEqual(['1', '1.5', '500m', '1e3', '1E3', '2Ki', '1k', '100n'].map((quantity) => amountOf(quantity)), [1, 1.5, 0.5, 1000, 1000, 2048, 1000, 1e-7]);
  assert.throws(() => amountOf('much'), RangeError);
});

it('writes bytes without losing any', () => {
  assert.deepEqual([0, 1, 1536, 2048, 50 * 2 ** 20, 3 * 2 ** 30, 2 ** 30 + 1].map(exactBytes), ['0', '1', '1536', '2Ki', '50Mi', '3Gi', '1073741825']);
});
