import assert from 'node:assert/strict';
import { it } from 'node:test';
import { NetworkError } from '../../port.ts';
import { IpBatch } from './ip-batch.ts';

it('reports exactly the commands that failed, in batches that overlap', { timeout: 10_000 }, async () => {
  await using batch = new IpBatch();
  const ok = batch.run([{ text: 'link show dev lo' }]);
  const bad = batch.run([{ text: 'link show dev lo' }, { text: 'link show dev yado-missing' }]);
  const tolerated = batch.run([{ text: 'link show dev yado-missing', tolerate: /does not exist/ }]);
  await ok;
  await assert.rejects(bad, (error: unknown) => error instanceof NetworkError && error.code === 'InterfaceError' && error.message.startsWith('ip link show dev yado-missing: '));
  await tolerated;
});

it('starts anew after a command that ends the process', { timeout: 10_000 }, async () => {
  await using batch = new IpBatch();
  await assert.rejects(batch.run([{ text: 'link set dev lo mtu nonsense' }]), NetworkError);
  await batch.run([{ text: 'link show dev lo' }]);
});

it('speaks to tc the same way', { timeout: 10_000 }, async () => {
  await using batch = new IpBatch({ program: 'tc' });
  await assert.rejects(batch.run([{ text: 'qdisc show dev lo' }, { text: 'qdisc show dev yado-missing' }]), /^NetworkError: tc qdisc show dev yado-missing: Cannot find device/);
  await batch.run([{ text: 'qdisc show dev yado-missing', tolerate: /Cannot find device/ }]);
});
