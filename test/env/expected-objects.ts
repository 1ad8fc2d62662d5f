import { createHash } from 'node:crypto';
import type { CloudKind, CloudListing, Raw } from './cloud-listing.ts';
import { machineOfServer, memoryOf } from './expected-machines.ts';
import { CLOUD, known, nameHere, slugOf, type MirroredTenant, type Shown } from './mirrored.ts';

/**
 * All that a tenant is to have here, worked out anew from what the cloud's services say: nothing of the product's own
 * client and mappings is used, so that a mistake of theirs is not made twice.
 */
export function expectedObjects(cloud: CloudListing, tenant: MirroredTenant): readonly Shown[] {
  return [
    ...cloud.flavors.map((flavor) => typeOfFlavor(flavor, tenant)),
    ...cloud.images.filter(({ disk_format: format }) => ['raw', 'qcow2', 'iso'].includes(format)).map((image) => imageOf(image, tenant)),
    ...cloud.keypairs.map((keypair) => secretOfKeypair(keypair, tenant)),
    ...cloud.securityGroups.map((group) => policyOfGroup(group, tenant)),
    ...cloud.subnets.filter((subnet) => networkOf(subnet, cloud)['router:external'] === false).map((subnet) => poolOfSubnet(subnet, cloud, tenant)),
    ...cloud.volumes.flatMap((volume) => claimAndVolume(volume, tenant)),
    ...cloud.servers.map((server) => machineOfServer(server, cloud, tenant)),
  ];
}

/** How many of each kind the tenant's status is to count. */
export function expectedCounts(cloud: CloudListing): Readonly<Record<CloudKind, number>> {
  const { quotas: _, ...lists } = cloud;
  return Object.fromEntries(Object.entries(lists).map(([kind, list]) => [kind, list.length])) as Record<CloudKind, number>;
}

/** `instances: 7 of 100` of all services; of names that two have it is Nova's, then Neutron's. */
export function expectedQuotas({ quotas: { compute, network, volume } }: CloudListing): Readonly<Record<string, string>> {
  const lines = [volume, network, compute].flatMap((set) => Object.entries(set).filter(([, value]) => typeof value === 'object').map(([name, { limit, in_use: inUse, used, reserved }]) => [name, `${(inUse ?? used) + reserved} of ${limit}`]));
  return Object.fromEntries(lines);
}

function typeOfFlavor(flavor: Raw, tenant: MirroredTenant): Shown {
  const details = known({
    diskGiB: flavor['disk'], ephemeralGiB: flavor['OS-FLV-EXT-DATA:ephemeral'], swapMiB: flavor['swap'], extraSpecs: flavor['extra_specs'],
    public: flavor['os-flavor-access:is_public'], disabled: flavor['OS-FLV-DISABLED:disabled'], description: flavor['description'] ?? undefined,
  });
  return { ...namedAs('InstanceType', flavor, tenant), annotations: annotated(flavor, details), body: { spec: { cpu: flavor['vcpus'], memory: memoryOf(flavor['ram']) } } };
}

/** https://docs.openstack.org/api-ref/image/v2/#show-image: all else are properties that people gave. */
const IMAGE_FIELDS = new Set([
  'checksum', 'container_format', 'created_at', 'disk_format', 'file', 'id', 'min_disk', 'min_ram', 'name', 'os_hash_algo', 'os_hash_value', 'os_hidden',
  'owner', 'protected', 'schema', 'self', 'size', 'status', 'tags', 'updated_at', 'virtual_size', 'visibility', 'direct_url', 'locations', 'stores',
]);

function imageOf(image: Raw, tenant: MirroredTenant): Shown {
  const properties = Object.entries(image).filter(([name]) => !IMAGE_FIELDS.has(name));
  return {
    ...namedAs('VirtualMachineImage', image, tenant),
    body: { spec: { source: { glance: { tenant: tenant.name, image: image['id'] } }, format: image['disk_format'], checksum: `${image['os_hash_algo']}:${image['os_hash_value']}` } },
    status: {
      glance: known({
        status: image['status'], visibility: image['visibility'], sizeBytes: image['size'] ?? undefined, virtualSizeBytes: image['virtual_size'] ?? undefined, minimumDiskGiB: image['min_disk'],
        minimumMemoryMiB: image['min_ram'], properties: properties.length === 0 ? undefined : Object.fromEntries(properties),
      }),
    },
  };
}

function secretOfKeypair(keypair: Raw, tenant: MirroredTenant): Shown {
  const { name, fingerprint, type, public_key: key } = keypair;
  return { ...namedAs('Secret', { ...keypair, id: labelOf(name) }, tenant), annotations: annotated(keypair, { fingerprint, type }), body: { data: { 'ssh-publickey': Buffer.from(`${key.trimEnd()}\n`).toString('base64') } } };
}

function policyOfGroup(group: Raw, tenant: MirroredTenant): Shown {
  const rules = (group['security_group_rules'] as readonly Raw[]).toSorted((a, b) => (a['id'] < b['id'] ? -1 : 1));
  const side = (direction: string) => rules.filter((rule) => rule['direction'] === direction).map(policyRule);
  return {
    ...namedAs('NetworkPolicy', group, tenant), name: `default.${tenant.name}-${slugOf(group['name'])}`,
    annotations: annotated(group, known({ stateful: group['stateful'], description: group['description'] || undefined })),
    body: { spec: { tier: 'default', selector: `${CLOUD}sg-${group['id']} == ''`, types: ['Ingress', 'Egress'], ingress: side('ingress'), egress: side('egress') } },
  };
}

const PROTOCOLS: Readonly<Record<string, string>> = { tcp: 'TCP', udp: 'UDP', 'ipv6-icmp': 'ICMPv6' };

function policyRule(rule: Raw): object {
  const { protocol, port_range_min: from, port_range_max: to, direction } = rule;
  const version = rule['ethertype'] === 'IPv6' ? 6 : 4;
  const isIcmp = protocol === 'icmp' || protocol === 'ipv6-icmp';
  const remote = rule['remote_ip_prefix'] !== null ? { nets: [rule['remote_ip_prefix']] } : rule['remote_group_id'] !== null ? { selector: `${CLOUD}sg-${rule['remote_group_id']} == ''` } : undefined;
  const ports = from === null || isIcmp || (from === 1 && to === 65_535) ? undefined : { ports: [from === to ? from : `${from}:${to}`] };
  const called = direction === 'ingress' ? ports : remote === undefined && ports === undefined ? undefined : { ...remote, ...ports };
  return known({
    action: 'Allow', ipVersion: version, protocol: protocol === null ? undefined : protocol === 'icmp' ? version === 6 ? 'ICMPv6' : 'ICMP' : PROTOCOLS[protocol] ?? Number(protocol),
    icmp: isIcmp && from !== null ? known({ type: from, code: to ?? undefined }) : undefined,
    source: direction === 'ingress' ? remote : undefined, destination: called, metadata: { annotations: { [`${CLOUD}id`]: rule['id'] } },
  });
}

function poolOfSubnet(subnet: Raw, cloud: CloudListing, tenant: MirroredTenant): Shown {
  const { cidr, ip_version: version, host_routes: routes } = subnet;
  const details = known({
    network: networkOf(subnet, cloud)['name'], networkId: subnet['network_id'], gateway: subnet['gateway_ip'] ?? undefined, dhcp: subnet['enable_dhcp'], pools: subnet['allocation_pools'], dnsServers: subnet['dns_nameservers'],
    routes: routes.length === 0 ? undefined : routes.map(({ destination, nexthop }: Raw) => ({ destination, nextHop: nexthop })), addressMode: subnet['ipv6_address_mode'] ?? undefined,
  });
  return {
    ...namedAs('IPPool', subnet, tenant), name: slugOf(`${tenant.name}-${tenant.namespace}-${subnet['name']}`), annotations: annotated(subnet, details),
    body: { spec: { cidr, blockSize: Math.max(version === 6 ? 122 : 26, Number(cidr.split('/')[1])), disabled: true, nodeSelector: '!all()', natOutgoing: false, ipipMode: 'Never', vxlanMode: 'Never', disableBGPExport: true } },
  };
}

function claimAndVolume(volume: Raw, tenant: MirroredTenant): readonly Shown[] {
  const { id, size, status, volume_type: type, encrypted, availability_zone: availabilityZone, snapshot_id: snapshotId, metadata } = volume;
  const details = known({ status, type, bootable: volume['bootable'] === 'true', encrypted, availabilityZone, snapshotId: snapshotId ?? undefined, metadata: Object.keys(metadata).length === 0 ? undefined : metadata });
  const modes = { accessModes: [volume['multiattach'] === true ? 'ReadWriteMany' : 'ReadWriteOnce'], volumeMode: 'Block' };
  const claim = namedAs('PersistentVolumeClaim', volume, tenant);
  return [
    { ...claim, body: { spec: { ...modes, storageClassName: '', volumeName: id, resources: { requests: { storage: `${size}Gi` } } } } },
    {
      ...claim, kind: 'PersistentVolume', name: id, annotations: annotated(volume, details),
      body: { spec: { ...modes, capacity: { storage: `${size}Gi` }, persistentVolumeReclaimPolicy: 'Retain', claimRef: { namespace: tenant.namespace, name: claim.name }, csi: { driver: 'openstack.csi.yadokari.dev', volumeHandle: id } } },
    },
  ];
}

/** Keypairs have no ids; of names that a label cannot have it has a digest. */
function labelOf(name: string): string {
  return /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(name) ? name : `x-${createHash('sha256').update(name).digest('hex').slice(0, 16)}`;
}

function namedAs(kind: string, { id, name }: Raw, tenant: MirroredTenant): Shown {
  return { kind, id, name: nameHere({ id, name }, tenant), labels: {}, annotations: { [`${CLOUD}name`]: name }, body: {} };
}

function annotated({ name }: Raw, details: unknown): Shown['annotations'] {
  return { [`${CLOUD}name`]: name, [`${CLOUD}details`]: details };
}

function networkOf(subnet: Raw, { networks }: CloudListing): Raw {
  return networks.find((network) => network['id'] === subnet['network_id']) ?? {};
}
