import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { INSIDE } from '../place.ts';
import { confFiles } from './files.ts';
import { iniText } from './ini.ts';

const ports = { keystone: 20_001, glance: 20_002, placement: 20_003, neutron: 20_004, cinder: 20_005, nova: 20_006, memcached: 20_007 };
const files = confFiles({ address: '127.0.0.9', ports, secret: 's3cret', zone: 'nova' });
const setting = (file: string, section: string, key: string): string | undefined => {
  const body = files[file]?.split(/^\[/m).find((part) => part.startsWith(`${section}]`)) ?? '';
  return new RegExp(`^${key} = (.*)$`, 'm').exec(body)?.[1];
};

describe('the configurations of OpenStack', () => {
  it('lists settings below their sections', () => {
    assert.equal(iniText({ DEFAULT: { one: 1, yes: true }, other: { word: 'a b' } }), '[DEFAULT]\none = 1\nyes = true\n[other]\nword = a b\n');
  });

  it('lets every service listen at the address given and at its own port', () => {
    const listening: readonly (readonly [string, string, string, number])[] = [
      ['glance-api.conf', 'bind_host', 'bind_port', ports.glance], ['neutron.conf', 'bind_host', 'bind_port', ports.neutron],
      ['cinder.conf', 'osapi_volume_listen', 'osapi_volume_listen_port', ports.cinder], ['nova.conf', 'osapi_compute_listen', 'osapi_compute_listen_port', ports.nova],
    ];
    for (const [file, host, port, number] of listening) {
      assert.equal(setting(file, 'DEFAULT', host), '127.0.0.9', file);
      assert.equal(setting(file, 'DEFAULT', port), String(number), file);
    }
  });

  it('lets every service sign in as itself, and check tokens', () => {
    for (const [file, user] of [['glance-api.conf', 'glance'], ['placement.conf', 'placement'], ['neutron.conf', 'neutron'], ['cinder.conf', 'cinder'], ['nova.conf', 'nova']] as const) {
      assert.equal(setting(file, 'keystone_authtoken', 'username'), user);
      assert.equal(setting(file, 'keystone_authtoken', 'password'), 's3cret');
      assert.equal(setting(file, 'keystone_authtoken', 'auth_url'), 'http://127.0.0.9:20001/v3');
      assert.equal(setting(file, 'keystone_authtoken', 'memcached_servers'), '127.0.0.9:20007');
    }
  });

  it('has no path but those that are the same for all, and those of installed packages', () => {
    const paths = Object.values(files).join('\n').match(/(?<=[ =:])\/[a-z][^\s&]*/g) ?? [];
    assert.ok(paths.length > 10);
    assert.deepEqual(paths.filter((path) => !path.startsWith(`${INSIDE}/`) && !path.startsWith('//')), []);
  });

  it('names the share of volumes as Cinder and Nova mount it', () => {
    assert.equal(files['shares'], `127.0.0.1:${INSIDE}/volumes\n`);
  });
});
