import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseSettings } from './settings.ts';

describe('settings of replicated volumes', () => {
  it('name a volume group, and have defaults for all else', () => {
    assert.deepEqual(parseSettings({ volumeGroup: 'vg' }), { volumeGroup: 'vg', replicas: 2, ports: { first: 7000, last: 7999 }, onNoQuorum: 'suspend-io' });
    const { network, ...rest } = parseSettings({ volumeGroup: 'vg', thinPool: 'pool', network: '10.1.0.0/16', replicas: 3, onNoQuorum: 'io-error', portRange: { first: 7100, last: 7100 } });
    assert.deepEqual(rest, { volumeGroup: 'vg', thinPool: 'pool', replicas: 3, ports: { first: 7100, last: 7100 }, onNoQuorum: 'io-error' });
    assert.deepEqual([network?.check('10.1.2.3'), network?.check('10.2.0.1')], [true, false]);
  });

  for (const [what, given, said] of [
    ['nothing', {}, 'drbd.volumeGroup is missing: it must be the name of a volume group'],
    ['an unknown one', { volumeGroup: 'vg', colour: 1 }, 'drbd.colour is 1: it is not known; known are volumeGroup, thinPool'],
    ['a volume group that is an option', { volumeGroup: '-f' }, 'drbd.volumeGroup is "-f"'],
    ['a thin pool that is a path', { volumeGroup: 'vg', thinPool: 'vg/pool' }, 'drbd.thinPool is "vg/pool"'],
    ['no copy', { volumeGroup: 'vg', replicas: 1 }, 'drbd.replicas is 1: it must be a number from 2 to 3'],
    ['an address that is no network', { volumeGroup: 'vg', network: '10.1.0.1' }, 'drbd.network is "10.1.0.1"'],
    ['ports the wrong way round', { volumeGroup: 'vg', portRange: { first: 8000, last: 7000 } }, 'drbd.portRange is'],
    ['another policy', { volumeGroup: 'vg', onNoQuorum: 'panic' }, 'drbd.onNoQuorum is "panic": it must be suspend-io or io-error'],
  ] as const) {
    it(`are refused with ${what}`, () => {
      assert.throws(() => parseSettings(given), (error: Error & { code?: string }) => error.code === 'InvalidRequest' && error.message.includes(said));
    });
  }
});
