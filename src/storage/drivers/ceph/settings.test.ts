import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cephSettings, cephUser, monHostOf } from './settings.ts';

const key = 'AQDxZ2VnAAAAABAAw2VhYmNkZWZnaGlqa2xtbg==';

describe('settings of a backend in Ceph', () => {
  it('are taken as they are given', () => {
    const given = { monitors: ['10.0.0.1:6789', 'ceph.example', '[fd00::1]:3300'], pool: 'disks', namespace: 'one' };
    assert.deepEqual(cephSettings(given, 'pool'), given);
  });

  for (const [what, given, said] of [
    ['no monitors', { pool: 'disks' }, /^ceph\.monitors is missing: it must be a list/],
    ['an empty list of monitors', { monitors: [], pool: 'disks' }, /^ceph\.monitors is \[\]: it must be a list/],
    ['a monitor that is no host', { monitors: ['10.0.0.1', 'a b'], pool: 'disks' }, /^ceph\.monitors\[1\] is "a b": it must be a host/],
    ['no pool', { monitors: ['m'] }, /^ceph\.pool is missing: this kind of backend needs the name of a pool/],
    ['a pool that is no name', { monitors: ['m'], pool: 'a/b' }, /^ceph\.pool is "a\/b": it must be letters/],
    ['something unknown', { monitors: ['m'], pool: 'disks', colour: 'blue' }, /^ceph\.colour is "blue": it is not known; known are monitors, pool/],
  ] as const) {
    it(`are refused with ${what}`, () => {
      assert.throws(() => cephSettings(given, 'pool'), (error: Error) => said.test(error.message));
    });
  }

  it('say which protocol a monitor speaks where its port does not', () => {
    assert.equal(monHostOf({ monitors: ['a', 'b:6789', 'c:3300', 'd:7000', 'v2:e:7000'] }), 'a,v1:b:6789,v2:c:3300,v1:d:7000,v2:e:7000');
  });
});

describe('the user of a backend in Ceph', () => {
  it('is read as files have it, with the end of their line', () => {
    assert.deepEqual(cephUser({ user: 'yado\n', key: `${key}\n` }), { user: 'yado', key });
  });

  for (const [what, secret, said] of [
    ['no user', { key }, /^user of the Secret is missing/],
    ['a prefix', { user: 'client.yado', key }, /must be without "client\.": yado/],
    ['no key', { user: 'yado' }, /^key of the Secret is missing/],
  ] as const) {
    it(`is refused with ${what}`, () => {
      assert.throws(() => cephUser(secret), (error: Error) => said.test(error.message));
    });
  }

  it('is refused with something that is no key, which is not shown', () => {
    assert.throws(() => cephUser({ user: 'yado', key: 'hunter2' }), (error: Error) => /no key of Ceph/.test(error.message) && !error.message.includes('hunter2'));
  });
});
