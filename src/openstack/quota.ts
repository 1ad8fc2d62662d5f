import { known, type Wire } from './wire.ts';

/** What a project may have of something, and has. */
export interface Quota {
  /** Undefined: as much as there is. */
  readonly limit?: number;
  readonly used: number;
  readonly reserved: number;
}

/** By the service's own names, such as `instances`, `port`, `gigabytes`. */
export type Quotas = Readonly<Record<string, Quota>>;

/** Nova and Cinder say `in_use`, Neutron `used`. */
export function quotasOf(set: Wire): Quotas {
  return Object.freeze(Object.fromEntries(set.entries().flatMap(([name, value]) => {
    if (typeof value !== 'object' || value === null) return [];
    const quota = set.object(name);
    const limit = quota.number('limit');
    return [[name, known({ limit: limit < 0 ? undefined : limit, used: quota.number(quota.has('in_use') ? 'in_use' : 'used'), reserved: quota.number('reserved') })]];
  })));
}
