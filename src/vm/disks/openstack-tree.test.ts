import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloudInitSeed } from '../port.ts';
import { openStackTree } from './openstack-tree.ts';

const seed: CloudInitSeed = {
  instanceId: '83679162-1378-4288-a2d4-70e13ec132aa', name: 'web-1', hostname: 'web', projectId: 'shop', userData: '#!/bin/sh\n', vendorData: '#cloud-config\n{}\n', availabilityZone: 'nova', metadata: { role: 'web' },
  macAddress: '02:00:00:00:00:01', sshKeys: ['ssh-ed25519 AAAA alice', 'ssh-ed25519 BBBB bob'],
};
const parsed = (path: string, of: CloudInitSeed = seed): unknown => JSON.parse(openStackTree(of).get(path) ?? 'null');

/** The form is that of https://docs.openstack.org/nova/latest/user/metadata.html */
test('the files of a config drive are those that Nova writes', () => {
  assert.deepEqual([...openStackTree(seed).keys()].sort(), ['ec2/latest/meta-data.json', 'ec2/latest/user-data', 'openstack/latest/meta_data.json', 'openstack/latest/network_data.json', 'openstack/latest/user_data', 'openstack/latest/vendor_data.json']);
  assert.deepEqual(parsed('openstack/latest/meta_data.json'), {
    uuid: '83679162-1378-4288-a2d4-70e13ec132aa', name: 'web-1', hostname: 'web', launch_index: 0, project_id: 'shop', devices: [], meta: { role: 'web' }, availability_zone: 'nova',
    public_keys: { 'key-1': 'ssh-ed25519 AAAA alice', 'key-2': 'ssh-ed25519 BBBB bob' }, keys: [{ name: 'key-1', type: 'ssh', data: 'ssh-ed25519 AAAA alice' }, { name: 'key-2', type: 'ssh', data: 'ssh-ed25519 BBBB bob' }],
  });
  assert.deepEqual(parsed('openstack/latest/network_data.json'), { links: [{ id: 'interface0', type: 'phy', ethernet_mac_address: '02:00:00:00:00:01' }], networks: [{ id: 'network0', network_id: 'network0', link: 'interface0', type: 'ipv4_dhcp' }], services: [] });
  assert.deepEqual(parsed('openstack/latest/vendor_data.json'), { 'cloud-init': '#cloud-config\n{}\n' });
  assert.equal(openStackTree(seed).get('openstack/latest/user_data'), '#!/bin/sh\n');
  assert.equal(openStackTree(seed).get('ec2/latest/user-data'), '#!/bin/sh\n');
  assert.deepEqual(parsed('ec2/latest/meta-data.json'), {
    'ami-launch-index': 0, 'hostname': 'web', 'instance-action': 'none', 'instance-id': '83679162-1378-4288-a2d4-70e13ec132aa', 'local-hostname': 'web', 'public-hostname': 'web', 'placement': { 'availability-zone': 'nova' },
    'public-keys': { 0: { '_name': '0=key-1', 'openssh-key': 'ssh-ed25519 AAAA alice' }, 1: { '_name': '1=key-2', 'openssh-key': 'ssh-ed25519 BBBB bob' } },
  });
});

test('what was not given is left out, as Nova does', () => {
  const bare: CloudInitSeed = { instanceId: 'i', hostname: 'web', userData: '', sshKeys: [] };
  assert.deepEqual([...openStackTree(bare).keys()].sort(), ['ec2/latest/meta-data.json', 'openstack/latest/meta_data.json', 'openstack/latest/network_data.json', 'openstack/latest/vendor_data.json']);
  assert.deepEqual(parsed('openstack/latest/meta_data.json', bare), { uuid: 'i', name: '', hostname: 'web', launch_index: 0, project_id: '', devices: [], meta: {} });
  assert.deepEqual(parsed('openstack/latest/vendor_data.json', bare), {});
});

test('network data that was given is written as it is', () => {
  assert.equal(openStackTree({ ...seed, networkData: '{"links":[]}' }).get('openstack/latest/network_data.json'), '{"links":[]}');
});
