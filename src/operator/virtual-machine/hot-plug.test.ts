import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CompiledDisk, CompiledGuest } from '../../api/compiled-guest.ts';
import type { GuestStatus } from '../../api/guest-status.ts';
import { isSameGuest, withWantedDisks } from './hot-plug.ts';

const local: CompiledDisk = { name: 'root', sizeBytes: 0, ephemeral: false, readOnly: false };
const ofClaim = (name: string, claim = name, sizeBytes = 1024): CompiledDisk => ({ name, claim: { name: claim, mode: 'Block' }, sizeBytes, ephemeral: false, readOnly: false });
const guest = (...disks: readonly CompiledDisk[]): CompiledGuest => ({ name: 'web', uid: 'u1', cpu: { sockets: 1, cores: 1, threads: 1 }, memoryMiB: 64, boot: { kind: 'firmware', firmware: 'bios' }, disks, hostname: 'web' });
const seen = (...disks: NonNullable<GuestStatus['disks']>): GuestStatus => ({ phase: 'Running', anchor: 'a', anchorUID: 'u', node: 'n1', disks });
const names = ({ disks }: CompiledGuest) => disks.map(({ name, claim }) => `${name}=${claim?.name ?? ''}`);

describe('disks of a guest that runs', () => {
  it('of claims come and go, those of its node stay as they are', () => {
    assert.deepEqual(names(withWantedDisks(guest(local, ofClaim('old')), guest(ofClaim('new')), undefined)), ['root=', 'new=new']);
  });

  it('grow', () => {
    assert.equal(withWantedDisks(guest(ofClaim('data')), guest(ofClaim('data', 'data', 2048)), undefined).disks[0]?.sizeBytes, 2048);
  });

  it('of another claim come only when the former is gone', () => {
    const wanted = guest(ofClaim('data', 'second'));
    const attached = { name: 'data', claim: 'first', attached: true };
    assert.deepEqual(names(withWantedDisks(guest(ofClaim('data', 'first')), wanted, seen(attached))), []);
    assert.deepEqual(names(withWantedDisks(guest(), wanted, seen({ ...attached, claim: '' }))), []);
    assert.deepEqual(names(withWantedDisks(guest(), wanted, seen())), ['data=second']);
  });

  it('of claims make no difference by their order, those of the node do', () => {
    const [a, b] = [ofClaim('a'), ofClaim('b')];
    assert.ok(isSameGuest(guest(local, a, b), guest(b, local, a)));
    assert.ok(!isSameGuest(guest(local, { ...local, name: 'more' }), guest({ ...local, name: 'more' }, local)));
    assert.ok(!isSameGuest(guest(local), guest(local, a)));
  });
});
