import type { OpenStackApi, ServiceType } from '../../src/local/openstack/api.ts';

/** An object as the service's JSON has it. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Raw = Readonly<Record<string, any>>;

const LISTS = {
  servers: ['compute', '/servers/detail', 'servers'],
  flavors: ['compute', '/flavors/detail', 'flavors'],
  keypairs: ['compute', '/os-keypairs', 'keypairs'],
  serverGroups: ['compute', '/os-server-groups', 'server_groups'],
  volumes: ['volumev3', '/volumes/detail', 'volumes'],
  snapshots: ['volumev3', '/snapshots/detail', 'snapshots'],
  volumeTypes: ['volumev3', '/types', 'volume_types'],
  images: ['image', '/images', 'images'],
  networks: ['network', '/networks', 'networks'],
  subnets: ['network', '/subnets', 'subnets'],
  ports: ['network', '/ports', 'ports'],
  routers: ['network', '/routers', 'routers'],
  floatingAddresses: ['network', '/floatingips', 'floatingips'],
  securityGroups: ['network', '/security-groups', 'security_groups'],
} as const satisfies Readonly<Record<string, readonly [ServiceType, string, string]>>;

export type CloudKind = keyof typeof LISTS;

/** All that a project has, as the services themselves tell it: of each kind a list in the order of ids. */
export type CloudListing = Readonly<Record<CloudKind, readonly Raw[]>> & { readonly quotas: Readonly<Record<'compute' | 'network' | 'volume', Raw>> };

const PAGE = 500;
/** Those whose lists end before all is told. */
const PAGED = new Set<CloudKind>(['servers', 'volumes', 'images']);

export async function listCloud(api: OpenStackApi): Promise<CloudListing> {
  const kinds = Object.keys(LISTS) as readonly CloudKind[];
  const lists: [CloudKind, readonly Raw[]][] = [];
  for (const kind of kinds) lists.push([kind, await listOf(api, kind)]);
  return { ...Object.fromEntries(lists) as Record<CloudKind, readonly Raw[]>, quotas: await quotasOf(api) };
}


async function listOf(api: OpenStackApi, kind: CloudKind): Promise<readonly Raw[]> {
  const [service, path, field] = LISTS[kind];
  const all: Raw[] = [];
  for (let marker = ''; ;) {
    const query = PAGED.has(kind) ? `?limit=${PAGE}${marker}` : '';
    const page = (await api.get<Raw>(service, `${path}${query}`))[field] as readonly Raw[];
    all.push(...page);
    if (!PAGED.has(kind) || page.length < PAGE) break;
    marker = `&marker=${page.at(-1)?.['id']}`;
  }
  return all.map((one) => (kind === 'keypairs' ? one['keypair'] as Raw : one)).sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
}

function idOf(raw: Raw): string {
  return raw['id'] as string | undefined ?? raw['name'] as string;
}

async function quotasOf(api: OpenStackApi): Promise<CloudListing['quotas']> {
  return {
    compute: (await api.get<Raw>('compute', `/os-quota-sets/${api.projectId}/detail`))['quota_set'] as Raw,
    network: (await api.get<Raw>('network', `/quotas/${api.projectId}/details.json`))['quota'] as Raw,
    volume: (await api.get<Raw>('volumev3', `/os-quota-sets/${api.projectId}?usage=true`))['quota_set'] as Raw,
  };
}
