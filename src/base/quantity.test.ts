import assert from 'node:assert/strict';
import { it } from 'node:test';
import { amountOf } from './quantity.ts';

it('reads quantities in all their forms', () => {
  assert.deepEqual(['1', '1.5', '500m', '1e3', '1E3', '2Ki', '1k', '100n'].map((quantity) => amountOf(quantity)), [1, 1.5, 0.5, 1000, 1000, 2048, 1000, 1e-7]);
  assert.throws(() => amountOf('much'), RangeError);
});
