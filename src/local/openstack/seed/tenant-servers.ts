import type { OpenStackApi } from '../api.ts';
import type { Named } from './named.ts';
import { keypairs } from './keypairs.ts';
import type { TenantImages } from './images.ts';
import type { TenantNetworks } from './networks.ts';
import type { FlavorName, OperatorObjects } from './operator-objects.ts';
import { act, requestServer, serverBecomes } from './servers.ts';
import type { TenantVolumes } from './volumes.ts';

export interface ServerParts {
  readonly operator: OperatorObjects;
  readonly networks: TenantNetworks;
  readonly images: TenantImages;
  readonly volumes: TenantVolumes;
}

export interface ServerPlan {
  readonly name: string;
  readonly flavor: FlavorName;
  readonly groups: readonly string[];
  readonly networks: readonly ('front' | 'back')[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly key?: (typeof keypairs)[number];
  readonly userData?: string;
  readonly image?: keyof TenantImages;
  /** Starts from the volume `boot` instead of an image. */
  readonly fromVolume?: boolean;
  readonly inGroup?: boolean;
  readonly stopped?: boolean;
}

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);
const greeting = (name: string): string => `#cloud-config\nhostname: ${name}\nruncmd:\n  - [sh, -c, 'echo ${name} > /run/greeting']\n`;

/** A small firm's servers. */
export const serverPlans: readonly ServerPlan[] = [
  { name: 'bastion', flavor: 'm1.nano', groups: ['operations'], networks: ['front'], metadata: { role: 'bastion' }, key: keypairs[0] },
  ...numbers(6).map((n): ServerPlan => ({ name: `web-${n}`, flavor: 'm1.small', groups: ['web', 'operations'], networks: ['front'], metadata: { role: 'web', index: String(n) }, key: keypairs[1], userData: greeting(`web-${n}`), inGroup: true })),
  ...numbers(3).map((n): ServerPlan => ({ name: `db-${n}`, flavor: 'm1.medium', groups: ['db', 'operations'], networks: ['back', 'front'], metadata: { role: 'db', primary: String(n === 1) }, key: keypairs[0], ...(n === 2 ? { fromVolume: true } : {}) })),
  ...numbers(10).map((n): ServerPlan => ({ name: `worker-${n}`, flavor: 'm1.tiny', groups: ['default'], networks: ['back'], metadata: { role: 'worker' }, ...(n > 7 ? { stopped: true } : {}), ...(n % 5 === 0 ? { image: 'appliance' } : {}) })),
  { name: 'monitor', flavor: 'm1.small', groups: ['operations'], networks: ['front', 'back'], metadata: { role: 'monitor', owner: 'operations' }, key: keypairs[0], userData: greeting('monitor') },
];

/** One of each sort, with all that others belong to: among them a locked one, one with a volume, one that is stopped. */
export const fewServerPlans = serverPlans.filter(({ name }) => ['bastion', 'web-1', 'web-2', 'db-1', 'db-2', 'worker-5', 'worker-8'].includes(name));

const AT_ONCE = 5;

/** All of them, active or stopped as they are to be; their ids by their names. */
export async function makeServers(tenant: OpenStackApi, plans: readonly ServerPlan[], parts: ServerParts, tell: (made: number) => void): Promise<ReadonlyMap<string, string>> {
  const { server_group: group } = await tenant.post<{ readonly server_group: Named }>('compute', '/os-server-groups', { server_group: { name: 'web', policy: 'soft-anti-affinity' } });
  const made = new Map<string, string>();
  const waiting = [...plans];
  const worker = async () => {
    for (let plan = waiting.shift(); plan !== undefined; plan = waiting.shift()) {
      made.set(plan.name, await makeServer(tenant, plan, parts, group.id));
      tell(made.size);
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return made;
  } finally {
    waiting.length = 0;
  }
}

async function makeServer(tenant: OpenStackApi, plan: ServerPlan, parts: ServerParts, group: string): Promise<string> {
  const id = await requestServer(tenant, serverRequest(plan, parts), plan.inGroup === true ? { group } : undefined);
  await serverBecomes(tenant, id, 'ACTIVE');
  if (plan.stopped === true) {
    await act(tenant, id, { 'os-stop': null });
    await serverBecomes(tenant, id, 'SHUTOFF');
  }
  return id;
}

/** What Nova is asked for. */
export function serverRequest({ name, flavor, groups, networks, metadata, key, userData, image = 'system', fromVolume }: ServerPlan, parts: ServerParts): Readonly<Record<string, unknown>> {
  return {
    name, flavorRef: parts.operator.flavors[flavor], metadata, description: `${metadata['role']} of a tenant to try things out with`,
    security_groups: groups.map((group) => ({ name: group })), networks: networks.map((network) => ({ uuid: parts.networks[network] })),
    ...(key === undefined ? {} : { key_name: key }), ...(userData === undefined ? {} : { user_data: Buffer.from(userData).toString('base64') }),
    ...(fromVolume === true ? { block_device_mapping_v2: [{ boot_index: 0, uuid: parts.volumes.boot, source_type: 'volume', destination_type: 'volume' }] } : { imageRef: parts.images[image] }),
  };
}
