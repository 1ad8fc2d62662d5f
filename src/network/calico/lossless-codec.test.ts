import assert from 'node:assert/strict';
import { it } from 'node:test';
import { losslessCodec } from './lossless-codec.ts';

it('keeps 64-bit integers digit by digit and leaves other numbers as they are', () => {
  const text = '{"sequenceNumber":1800000000000000001,"port":80,"order":10.5,"none":null}';
  assert.deepEqual(losslessCodec.parse(text), { sequenceNumber: 1_800_000_000_000_000_001n, port: 80, order: 10.5, none: null });
  assert.equal(losslessCodec.stringify(losslessCodec.parse(text)), text);
});
