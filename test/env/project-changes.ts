import type { OpenStackApi } from '../../src/local/openstack/api.ts';
import { uploadImage } from '../../src/local/openstack/seed/images.ts';
import { act, requestServer, serverBecomes } from '../../src/local/openstack/seed/servers.ts';
import type { SeededTenant } from '../../src/local/openstack/seed/tenant.ts';
import { becomes, makeVolume } from '../../src/local/openstack/seed/volumes.ts';
import { eventually } from '../../src/local/openstack/seed/waiting-for.ts';
import type { Raw } from './cloud-listing.ts';

/** Changes something of every kind in a seeded tenant, and of servers whatever others than Nova know too. It takes a minute or so. */
export async function changeEverything(api: OpenStackApi, seeded: SeededTenant): Promise<void> {
  await changeKeys(api);
  const extra = await makeExtra(api, seeded);
  await changeVolumes(api, seeded, extra);
  await changeNetworks(api, seeded);
  await changeImages(api, seeded);
  await changeServers(api, seeded);
}

async function changeKeys(api: OpenStackApi): Promise<void> {
  await api.post('compute', '/os-keypairs', { keypair: { name: 'New Key', type: 'ssh', public_key: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKX2v0o2h6Xk0bC9ys1m6m8yVh7ZkqvEoHq1l8rI0b7a new' } });
}

/** A server in the group, with a key that is new. */
async function makeExtra(api: OpenStackApi, { operator, images, networks }: SeededTenant): Promise<string> {
  const [group] = (await api.get<Raw>('compute', '/os-server-groups'))['server_groups'];
  const wanted = { name: 'Extra Server_1', flavorRef: operator.flavors['m1.tiny'], imageRef: images.system, networks: [{ uuid: networks.front }], key_name: 'New Key', security_groups: [{ name: 'web' }] };
  const id = await requestServer(api, wanted, { group: group.id });
  await serverBecomes(api, id, 'ACTIVE');
  return id;
}

async function changeVolumes(api: OpenStackApi, { servers, volumes }: SeededTenant, extra: string): Promise<void> {
  const fresh = await makeVolume(api, { name: 'fresh', size: 1, metadata: { purpose: 'new' } });
  await api.post('compute', `/servers/${extra}/os-volume_attachments`, { volumeAttachment: { volumeId: fresh } });
  await becomes(api, `/volumes/${fresh}`, 'volume', 'in-use');
  await api.delete('compute', `/servers/${servers.get('db-1')}/os-volume_attachments/${volumes.data}`);
  await becomes(api, `/volumes/${volumes.data}`, 'volume', 'available');
  await api.put('volumev3', `/volumes/${volumes.data}`, { volume: { name: 'old data', metadata: { purpose: 'none' } } });
  await api.delete('volumev3', `/snapshots/${volumes.snapshot}`);
  await eventually('the snapshot is gone', async () => ((await api.get<Raw>('volumev3', '/snapshots'))['snapshots'].length === 0 ? true : undefined));
  await api.delete('volumev3', `/volumes/${volumes.scratch}`);
  await eventually('the volume is gone', async () => ((await api.get<Raw>('volumev3', '/volumes?name=scratch'))['volumes'].length === 0 ? true : undefined));
}

async function changeNetworks(api: OpenStackApi, { servers, networks }: SeededTenant): Promise<void> {
  const [port] = (await api.get<Raw>('network', `/ports?device_id=${servers.get('web-2')}`))['ports'];
  const [floating] = (await api.get<Raw>('network', '/floatingips'))['floatingips'];
  await api.put('network', `/floatingips/${floating.id}`, { floatingip: { port_id: port.id } });
  const { network } = await api.post<Raw>('network', '/networks', { network: { name: 'side' } });
  await api.post('network', '/subnets', { subnet: { name: 'side-v4', network_id: network.id, ip_version: 4, cidr: '172.20.4.0/28' } });
  const [subnet] = (await api.get<Raw>('network', '/subnets?name=back-v4'))['subnets'];
  await api.put('network', `/subnets/${subnet.id}`, { subnet: { name: 'Back_v4', dns_nameservers: ['192.0.2.54'] } });
  const [group] = (await api.get<Raw>('network', '/security-groups?name=web'))['security_groups'];
  await api.delete('network', `/security-group-rules/${group.security_group_rules.find((rule: Raw) => rule['port_range_min'] === 80).id}`);
  const { security_group: made } = await api.post<Raw>('network', '/security-groups', { security_group: { name: 'new', description: '' } });
  await api.post('network', '/security-group-rules', { security_group_rule: { security_group_id: made.id, direction: 'ingress', ethertype: 'IPv4', protocol: 'icmp', port_range_min: 3, remote_group_id: group.id } });
  await act(api, servers.get('worker-1') ?? '', { addSecurityGroup: { name: 'new' } });
  await api.post('compute', `/servers/${servers.get('worker-6')}/os-interface`, { interfaceAttachment: { net_id: networks.front } });
}

async function changeImages(api: OpenStackApi, { images }: SeededTenant): Promise<void> {
  await uploadImage(api, { name: 'newer', format: 'qcow2', data: Buffer.from('not read by anybody'), properties: { os_distro: 'none' } });
  // Servers that were made of it stay.
  await api.delete('image', `/images/${images.appliance}`);
}

async function changeServers(api: OpenStackApi, { servers, operator }: SeededTenant): Promise<void> {
  const change = async (name: string, action: object, status: string): Promise<void> => {
    await act(api, servers.get(name) ?? '', action);
    await serverBecomes(api, servers.get(name) ?? '', status);
  };
  await change('worker-2', { pause: null }, 'PAUSED');
  await change('worker-3', { suspend: null }, 'SUSPENDED');
  await change('worker-4', { resize: { flavorRef: operator.flavors['m1.small'] } }, 'VERIFY_RESIZE');
  await change('worker-4', { confirmResize: null }, 'ACTIVE');
  await change('monitor', { shelve: null }, 'SHELVED_OFFLOADED');
  await api.delete('compute', `/servers/${servers.get('worker-7')}`);
}
