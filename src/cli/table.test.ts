import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatTable } from './table.ts';

describe('a table', () => {
  it('has columns as wide as their widest cell, and nothing after the last', () => {
    assert.equal(formatTable([['NAME', 'NODE', 'ADDRESS'], ['hello-pod', 'n1', '10.244.0.1'], ['a', '', '']]), 'NAME       NODE  ADDRESS\nhello-pod  n1    10.244.0.1\na');
  });

  it('takes rows of different lengths', () => {
    assert.equal(formatTable([['A'], ['1', '2']]), 'A\n1  2');
  });
});
