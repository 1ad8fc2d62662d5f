import type { CloudListing, Raw } from './cloud-listing.ts';
import { CLOUD, known, nameHere, type MirroredTenant, type Shown } from './mirrored.ts';

/** The words that machines have for those statuses that servers of tests get into. */
const WORDS: Readonly<Record<string, readonly [printable: string, runStrategy: string]>> = {
  ACTIVE: ['Running', 'Always'], SHUTOFF: ['Stopped', 'Halted'], PAUSED: ['Paused', 'Always'], SUSPENDED: ['Paused', 'Always'], SHELVED_OFFLOADED: ['Stopped', 'Halted'],
};
const POWERS: Readonly<Record<number, string>> = { 0: 'none', 1: 'running', 3: 'paused', 4: 'shutdown', 7: 'suspended' };

/** The VirtualMachine of a server, from what Nova, Neutron, Cinder and Glance say of it. */
export function machineOfServer(server: Raw, cloud: CloudListing, tenant: MirroredTenant): Shown {
  const { id, name, status } = server;
  const [printableStatus, runStrategy] = WORDS[status] ?? [`no word for ${status}`, ''];
  const groups = new Set(cloud.ports.filter((port) => port['device_id'] === id).flatMap((port) => port['security_groups'] as readonly string[]));
  const group = cloud.serverGroups.find(({ members }) => members.includes(id));
  return {
    kind: 'VirtualMachine', id, name: nameHere({ id, name }, tenant),
    labels: { ...Object.fromEntries([...groups].map((one) => [`${CLOUD}sg-${one}`, ''])), ...(group === undefined ? {} : { [`${CLOUD}server-group`]: group['id'] }) },
    annotations: { [`${CLOUD}name`]: name, ...(group === undefined ? {} : { [`${CLOUD}server-group`]: `${group['name']} (${group['policy']})` }) },
    body: { spec: known({ provider: { openstack: { tenant: tenant.name, server: id } }, runStrategy, terminationGracePeriodSeconds: 60, evictionStrategy: 'Restart', instanceType: typeOf(server, cloud, tenant), disks: someOf(disksOf(server, cloud, tenant)) }) },
    status: known({
      printableStatus, ready: status === 'ACTIVE', address: addressOf(server), cpu: server['flavor'].vcpus, memory: memoryOf(server['flavor'].ram),
      conditions: [
        ...(tenant.isManaged ? [{ type: 'Synchronized', status: 'True', reason: 'InSync', message: 'the server is as this machine says' }] : []),
        status === 'ACTIVE'
          ? { type: 'Ready', status: 'True', reason: 'Active', message: 'the server runs' }
          : { type: 'Ready', status: 'False', reason: status.toLowerCase().replaceAll(/(^|_)[a-z]/g, (start: string) => start.slice(-1).toUpperCase()), message: `the server is ${status}` },
      ].sort((a, b) => (a.type < b.type ? -1 : 1)),
      provider: { openstack: known({ ...serverStatus(server, cloud), synced: runStrategy, syncedInstanceType: typeOf(server, cloud, tenant), syncedVolumes: someOf(volumesOf(server, cloud).map((volume) => volume.id)) }) },
    }),
  };
}

function serverStatus(server: Raw, cloud: CloudListing): object {
  // A server outlives its image.
  const image = server['image'] === '' ? undefined : known({ id: server['image'].id, name: cloud.images.find((one) => one['id'] === server['image'].id)?.['name'] });
  const groups = [...new Set<string>((server['security_groups'] ?? []).map((one: Raw) => one['name']))].sort((a, b) => (a < b ? -1 : 1));
  return known({
    status: server['status'], taskState: server['OS-EXT-STS:task_state'] ?? undefined, powerState: POWERS[server['OS-EXT-STS:power_state']],
    flavor: server['flavor'].original_name, image,
    addresses: someOf(addressesOf(server).map(({ network, one }) => known({ network, address: one['addr'], mac: one['OS-EXT-IPS-MAC:mac_addr'], floating: one['OS-EXT-IPS:type'] === 'floating' ? true : undefined }))),
    securityGroups: someOf(groups), keyName: server['key_name'] ?? undefined, volumes: someOf(volumesOf(server, cloud)),
    metadata: Object.keys(server['metadata']).length === 0 ? undefined : server['metadata'],
    availabilityZone: server['OS-EXT-AZ:availability_zone'] || undefined, createdAt: server['created'], locked: server['locked'] === true ? true : undefined, fault: server['fault']?.message,
  });
}

/** The InstanceType of its flavor, which is known by name alone. */
function typeOf(server: Raw, { flavors }: CloudListing, tenant: MirroredTenant): string | undefined {
  const flavor = flavors.find(({ name }) => name === server['flavor'].original_name);
  return flavor === undefined ? undefined : nameHere({ id: flavor['id'], name: flavor['name'] }, tenant);
}

/** Claims of its volumes, in the order of their devices. */
function disksOf(server: Raw, cloud: CloudListing, tenant: MirroredTenant): readonly object[] {
  const ordered = volumesOf(server, cloud).toSorted((a, b) => (`${a.device ?? '~'}${a.id}` < `${b.device ?? '~'}${b.id}` ? -1 : 1));
  return ordered.map(({ id }) => ({ name: `vol-${id.slice(0, 8)}`, persistentVolumeClaim: nameHere({ id, name: cloud.volumes.find((one) => one['id'] === id)?.['name'] }, tenant) }));
}

function volumesOf({ id, ['os-extended-volumes:volumes_attached']: attached }: Raw, { volumes }: CloudListing): readonly { readonly id: string; readonly device?: string }[] {
  const ids: readonly string[] = attached.map((one: Raw) => one['id']).sort();
  return ids.map((volume) => {
    const uses: readonly Raw[] = volumes.find((one) => one['id'] === volume)?.['attachments'] ?? [];
    const device: string | undefined = uses.find((use) => use['server_id'] === id)?.['device'] ?? undefined;
    return { id: volume, ...(device === undefined ? {} : { device }) };
  });
}

function addressesOf(server: Raw): readonly { readonly network: string; readonly one: Raw }[] {
  return Object.entries<readonly Raw[]>(server['addresses']).flatMap(([network, list]) => list.map((one) => ({ network, one })));
}

/** The first fixed one, of IPv4 where there is any. */
function addressOf(server: Raw): string | undefined {
  const fixed = addressesOf(server).map(({ one }) => one).filter((one) => one['OS-EXT-IPS:type'] === 'fixed');
  return (fixed.find(({ version }) => version === 4) ?? fixed[0])?.['addr'];
}

export function memoryOf(mebibytes: number): string {
  return mebibytes % 1024 === 0 ? `${mebibytes / 1024}Gi` : `${mebibytes}Mi`;
}

function someOf<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}
