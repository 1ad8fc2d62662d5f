import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openStackTree } from '../../vm/disks/openstack-tree.ts';
import { metadataAt } from './paths.ts';

const files = openStackTree({ instanceId: 'i', name: 'web-1', hostname: 'web', userData: 'data', availabilityZone: 'nova', sshKeys: ['ssh-ed25519 AAAA alice'] });
const at = (path: string): string | undefined => metadataAt(path, files, '10.244.0.5');

test('the paths are those of Nova', () => {
  const cases: readonly (readonly [path: string, answer: string | undefined])[] = [
    ['/', '2009-04-04\nlatest'],
    ['/openstack', '2018-08-27\nlatest'], ['/openstack/', '2018-08-27\nlatest'],
    ['/openstack/latest', 'meta_data.json\nuser_data\nnetwork_data.json\nvendor_data.json'],
    ['/openstack/latest/user_data', 'data'], ['/openstack/2018-08-27/user_data', 'data'],
    ['/latest', 'meta-data/\nuser-data'], ['/latest/user-data', 'data'], ['/2009-04-04/user-data', 'data'],
    ['/latest/meta-data/', 'ami-launch-index\nhostname\ninstance-action\ninstance-id\nlocal-hostname\nlocal-ipv4\nplacement/\npublic-hostname\npublic-keys/'],
    ['/latest/meta-data/instance-id', 'i'], ['/2009-04-04/meta-data/local-ipv4', '10.244.0.5'], ['/latest/meta-data/ami-launch-index', '0'],
    ['/latest/meta-data/placement/availability-zone', 'nova'],
    ['/latest/meta-data/public-keys/', '0=key-1'], ['/latest/meta-data/public-keys/0/', 'openssh-key'], ['/latest/meta-data/public-keys/0/openssh-key', 'ssh-ed25519 AAAA alice'],
  ];
  for (const [path, answer] of cases) assert.equal(at(path), answer, path);
});

test('what is not known is nowhere', () => {
  const unknown = [
    '/other', '/1.0/meta-data', '/openstack/1999-01-01', '/openstack/latest/password', '/openstack/latest/meta_data.json/x', '/openstack/latest/../../ec2/latest/user-data', '/latest/user-data/x', '/latest/dynamic',
    '/latest/meta-data/instance-id/0', '/latest/meta-data/public-keys/0/_name', '/latest/meta-data/public-keys/1', '/latest/meta-data/constructor', '/latest/meta-data/__proto__', '/ec2/latest/user-data',
  ];
  for (const path of unknown) assert.equal(at(path), undefined, path);
});

test('a guest without user data has none', () => {
  const bare = openStackTree({ instanceId: 'i', hostname: 'web', userData: '', sshKeys: [] });
  assert.deepEqual(['/openstack/latest/user_data', '/latest/user-data', '/latest/'].map((path) => metadataAt(path, bare, '10.0.0.1')), [undefined, undefined, 'meta-data/']);
});
