import { hasCode } from '../../openstack/errors.ts';
import type { Cloud } from '../../openstack/port.ts';
import type { Quotas } from '../../openstack/quota.ts';
import type { OpenStackTenantStatus } from '../../api/open-stack-tenant.ts';

export type QuotaLines = NonNullable<OpenStackTenantStatus['quota']>;

const MOST = 128;

/** Quotas of all services, by name. A service that tells of none, or of them to admins alone, is left out. */
export async function quotaOf(cloud: Cloud, signal: AbortSignal): Promise<QuotaLines> {
  const sets = await Promise.all([cloud.compute, cloud.network, ...(cloud.volume === undefined ? [] : [cloud.volume])].map((service) => service.quotas(signal).catch(orNone)));
  const all = new Map<string, Quotas[string]>();
  // Names that two services have are the first one's: Nova's own figures of networks are none.
  for (const set of sets) for (const [name, quota] of Object.entries(set)) if (!all.has(name)) all.set(name, quota);
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, MOST).map(([name, { limit, used, reserved }]) => ({ name, ...(limit === undefined ? {} : { limit }), used: used + reserved }));
}

function orNone(error: unknown): Quotas {
  if (hasCode(error, 'NotFound', 'Forbidden', 'ServiceMissing', 'EndpointMissing')) return {};
  throw error;
}
