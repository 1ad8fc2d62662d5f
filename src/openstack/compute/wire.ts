import { known, type Wire } from '../wire.ts';
import { SERVER_STATUSES, type Flavor, type FlavorSize, type Interface, type Keypair, type PowerState, type Server, type ServerAddress, type ServerEntry, type ServerFlavor, type ServerGroup, type VolumeAttachment } from './types.ts';

/** https://docs.openstack.org/api-ref/compute/#list-servers-detailed */
const POWER_STATES: Readonly<Record<number, PowerState>> = { 0: 'none', 1: 'running', 3: 'paused', 4: 'shutdown', 6: 'crashed', 7: 'suspended' };

export function serverOf(wire: Wire): Server {
  const fault = wire.objectIf('fault');
  return known({
    id: wire.text('id'),
    name: wire.text('name'),
    status: SERVER_STATUSES.find((status) => status === wire.text('status')) ?? 'UNKNOWN',
    task: wire.textIf('OS-EXT-STS:task_state'),
    power: POWER_STATES[wire.numberIf('OS-EXT-STS:power_state') ?? 0] ?? 'none',
    projectId: wire.text('tenant_id'),
    userId: wire.text('user_id'),
    flavor: flavorOfServer(wire.object('flavor')),
    imageId: wire.objectIf('image')?.text('id'),
    createdAtMs: wire.timeMs('created'),
    updatedAtMs: wire.timeMs('updated'),
    launchedAtMs: wire.timeMsIf('OS-SRV-USG:launched_at'),
    addresses: addressesOf(wire.object('addresses')),
    keyName: wire.textIf('key_name'),
    metadata: wire.map('metadata'),
    tags: wire.texts('tags'),
    // While it is being made a server may have a group twice, and in any order.
    securityGroups: Object.freeze([...new Set(wire.each('security_groups', (group) => group.text('name')))].sort()),
    availabilityZone: wire.textIf('OS-EXT-AZ:availability_zone'),
    hostId: wire.textIf('hostId'),
    configDrive: wire.flagIf('config_drive') ?? false,
    volumes: wire.each('os-extended-volumes:volumes_attached', (volume) => known({ id: volume.text('id'), deleteOnTermination: volume.flagIf('delete_on_termination') })),
    locked: wire.flagIf('locked') ?? false,
    lockedReason: wire.textIf('locked_reason'),
    description: wire.textIf('description'),
    hostname: wire.textIf('OS-EXT-SRV-ATTR:hostname'),
    fault: fault === undefined ? undefined : Object.freeze({ code: fault.number('code'), message: fault.text('message') }),
  });
}

/** A line of a list; those of changes have what is left of deleted servers, which lists of all leave out. */
export function serverEntryOf(wire: Wire): ServerEntry {
  const status = wire.text('status');
  if (status === 'DELETED' || status === 'SOFT_DELETED') return Object.freeze({ kind: 'gone', id: wire.text('id') });
  return Object.freeze(isPart(wire) ? { kind: 'unreachable', id: wire.text('id') } : { kind: 'present', server: serverOf(wire) });
}

/** From 2.69 on a server in a cell that does not answer is shown without most of what it has; before, it was left out. */
export function isPart(wire: Wire): boolean {
  return wire.text('status') === 'UNKNOWN' && !wire.has('name');
}

function flavorOfServer(wire: Wire): ServerFlavor {
  return wire.has('id') ? Object.freeze({ kind: 'reference', id: wire.text('id') }) : Object.freeze({ kind: 'copy', name: wire.text('original_name'), ...sizeOf(wire, 'ephemeral') });
}

function sizeOf(wire: Wire, ephemeral: string): FlavorSize {
  return {
    vcpus: wire.number('vcpus'),
    memoryMiB: wire.number('ram'),
    diskGiB: wire.number('disk'),
    ephemeralGiB: wire.numberIf(ephemeral) ?? 0,
    swapMiB: wire.numberIf('swap') ?? 0,
    extraSpecs: wire.map('extra_specs'),
  };
}

function addressesOf(networks: Wire): readonly ServerAddress[] {
  return Object.freeze(networks.entries().flatMap(([network]) => networks.each(network, (one) => known({
    network,
    address: one.text('addr'),
    version: one.number('version') === 6 ? 6 as const : 4 as const,
    macAddress: one.textIf('OS-EXT-IPS-MAC:mac_addr'),
    kind: one.textIf('OS-EXT-IPS:type') === 'floating' ? 'floating' as const : 'fixed' as const,
  }))));
}

export function flavorOf(wire: Wire): Flavor {
  return known({
    id: wire.text('id'),
    name: wire.text('name'),
    ...sizeOf(wire, 'OS-FLV-EXT-DATA:ephemeral'),
    public: wire.flagIf('os-flavor-access:is_public') ?? true,
    disabled: wire.flagIf('OS-FLV-DISABLED:disabled') ?? false,
    description: wire.textIf('description'),
  });
}

export function keypairOf(wire: Wire): Keypair {
  return known({ name: wire.text('name'), publicKey: wire.text('public_key'), fingerprint: wire.text('fingerprint'), type: wire.textIf('type') ?? 'ssh' });
}

/** Before 2.64 it has a list of policies, with one in it. */
export function serverGroupOf(wire: Wire): ServerGroup {
  return known({ id: wire.text('id'), name: wire.text('name'), policy: wire.textIf('policy') ?? wire.texts('policies')[0] ?? '', members: wire.texts('members') });
}

export function volumeAttachmentOf(wire: Wire): VolumeAttachment {
  return known({
    serverId: wire.text('serverId'),
    volumeId: wire.text('volumeId'),
    device: wire.textIf('device'),
    tag: wire.textIf('tag'),
    deleteOnTermination: wire.flagIf('delete_on_termination'),
    attachmentId: wire.textIf('attachment_id'),
  });
}

export function interfaceOf(wire: Wire): Interface {
  return known({
    portId: wire.text('port_id'),
    networkId: wire.text('net_id'),
    macAddress: wire.text('mac_addr'),
    state: wire.text('port_state'),
    addresses: wire.each('fixed_ips', (one) => known({ subnetId: one.text('subnet_id'), address: one.text('ip_address') })),
    tag: wire.textIf('tag'),
  });
}
