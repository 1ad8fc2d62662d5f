import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { liesWithin } from '../../address.ts';
import { namesOf, namesOfInterface, serverAddressOf } from './names.ts';

describe('the interfaces of a spliced guest', () => {
  it('are named after its anchor, and fit the kernel', () => {
    const names = namesOf('shop', 'web-abcde');
    assert.deepEqual(names, namesOf('shop', 'web-abcde'));
    assert.notDeepEqual(names, namesOf('shop', 'web-abcdf'));
    for (const name of Object.values(names)) assert.match(name, /^yado[tv][0-9a-f]{10}$/);
  });

  it('are found by any of their names, and no others are', () => {
    const names = namesOf('shop', 'web-abcde');
    for (const name of Object.values(names)) assert.deepEqual(namesOfInterface(name), names);
    for (const name of ['eth0', 'cali0123456789a', 'yado0', 'yadobr', 'yadot0123456789a']) assert.equal(namesOfInterface(name), undefined);
  });

  it('have an address of their own for DHCP, where nobody else looks for one', () => {
    const taken = new Set<string>();
    for (let each = 0; each < 300; each += 1) {
      const address = serverAddressOf('yadot0123456789', taken);
      assert.ok(liesWithin(address, '169.254.192.0/19') && !taken.has(address), address);
      taken.add(address);
    }
    assert.equal(serverAddressOf('yadot0123456789', new Set()), serverAddressOf('yadot0123456789', new Set(['169.254.1.1'])));
  });
});
