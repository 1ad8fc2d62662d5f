import type { CloudInitSeed } from '../port.ts';

/** Names of public keys, which those who give them do not have here. */
const keyName = (index: number): string => `key-${index + 1}`;

/** Files by path, as Nova lays them out on a config drive and serves them: https://docs.openstack.org/nova/latest/user/metadata.html */
export function openStackTree(seed: CloudInitSeed): ReadonlyMap<string, string> {
  const { userData, networkData, vendorData } = seed;
  return new Map([
    ['openstack/latest/meta_data.json', json(metaDataOf(seed))],
    ...(userData === '' ? [] : [['openstack/latest/user_data', userData] as const]),
    ['openstack/latest/network_data.json', networkData ?? json(networkDataOf(seed))],
    // As a text it is for cloud-init, whose part of it has its name.
    ['openstack/latest/vendor_data.json', json(vendorData === undefined ? {} : { 'cloud-init': vendorData })],
    ['ec2/latest/meta-data.json', json(ec2MetaDataOf(seed))],
    ...(userData === '' ? [] : [['ec2/latest/user-data', userData] as const]),
  ]);
}

function metaDataOf({ instanceId, name = '', hostname, projectId = '', availabilityZone, metadata = {}, sshKeys }: CloudInitSeed): object {
  return {
    uuid: instanceId, name, hostname, launch_index: 0, project_id: projectId, devices: [], meta: metadata,
    ...(availabilityZone === undefined ? {} : { availability_zone: availabilityZone }),
    ...(sshKeys.length === 0 ? {} : { public_keys: Object.fromEntries(sshKeys.map((key, index) => [keyName(index), key])), keys: sshKeys.map((data, index) => ({ name: keyName(index), type: 'ssh', data })) }),
  };
}

/** The one interface of a guest, which asks DHCP for all else. */
function networkDataOf({ macAddress }: CloudInitSeed): object {
  if (macAddress === undefined) return { links: [], networks: [], services: [] };
  return {
    links: [{ id: 'interface0', type: 'phy', ethernet_mac_address: macAddress }],
    networks: [{ id: 'network0', network_id: 'network0', link: 'interface0', type: 'ipv4_dhcp' }],
    services: [],
  };
}

/** What Amazon's clients look for; of the keys one each by number. */
function ec2MetaDataOf({ instanceId, hostname, availabilityZone, sshKeys }: CloudInitSeed): object {
  return {
    'ami-launch-index': 0, 'hostname': hostname, 'instance-action': 'none', 'instance-id': instanceId, 'local-hostname': hostname, 'public-hostname': hostname,
    ...(availabilityZone === undefined ? {} : { placement: { 'availability-zone': availabilityZone } }),
    ...(sshKeys.length === 0 ? {} : { 'public-keys': Object.fromEntries(sshKeys.map((key, index) => [String(index), { _name: `${index}=${keyName(index)}`, 'openssh-key': key }])) }),
  };
}

function json(value: object): string {
  return JSON.stringify(value);
}
