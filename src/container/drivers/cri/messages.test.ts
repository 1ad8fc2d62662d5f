import assert from 'node:assert/strict';
import { it } from 'node:test';
import { decodeSandboxes, decodeSandboxPid, encodeListReadySandboxes, encodeStopContainer } from './messages.ts';
import { encodeMessage, WireMessage } from './wire.ts';

it('writes requests as the wire format has them', () => {
  assert.equal(encodeStopContainer('abc', 300).toString('hex'), '0a0361626310ac02');
  assert.equal(encodeListReadySandboxes(undefined).toString('hex'), '0a021200');
  const filter = new WireMessage(encodeListReadySandboxes('u1')).message(1);
  assert.deepEqual([filter.text(2), filter.message(3).text(1), filter.message(3).text(2)], ['', 'io.kubernetes.pod.uid', 'u1']);
});

it('reads sandboxes, the newest first', () => {
  const sandbox = (id: string, createdAt: number): Buffer =>
    encodeMessage([[1, id], [2, encodeMessage([[1, 'web-a'], [2, 'u1'], [3, 'shop'], [4, 1]])], [4, createdAt], [5, encodeMessage([[1, 'label'], [2, 'x']])]]);
  const answer = encodeMessage([[1, sandbox('old', 1_700_000_000_000_000_000)], [1, sandbox('new', 1_800_000_000_000_000_000)]]);
  assert.deepEqual(decodeSandboxes(answer), ['new', 'old'].map((id) => ({ id, namespace: 'shop', pod: 'web-a', podUid: 'u1' })));
  assert.deepEqual(decodeSandboxes(Buffer.alloc(0)), []);
});

it('finds the process of a ready sandbox only', () => {
  const status = (state: number, info: string): Buffer => encodeMessage([[1, encodeMessage([[1, 'id'], [3, state]])], [2, encodeMessage([[1, 'info'], [2, info]])]]);
  assert.equal(decodeSandboxPid(status(0, '{"pid":4711}')), 4711);
  assert.equal(decodeSandboxPid(status(1, '{"pid":4711}')), undefined);
  assert.equal(decodeSandboxPid(status(0, '{"pid":0}')), undefined);
});

it('refuses what is cut short', () => {
  assert.throws(() => new WireMessage(Buffer.from('0a05616263', 'hex')), RangeError);
  assert.throws(() => new WireMessage(Buffer.from('08', 'hex')), RangeError);
});
