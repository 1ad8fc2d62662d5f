import { isDeepStrictEqual } from 'node:util';
import type { KubeClient } from '../../src/kube/client.ts';
import { controllerOf, type KubeObject } from '../../src/kube/object.ts';
import { openStackTenants } from '../../src/kube/yadokari.ts';
import type { OpenStackApi } from '../../src/local/openstack/api.ts';
import { listCloud } from './cloud-listing.ts';
import { expectedCounts, expectedObjects, expectedQuotas } from './expected-objects.ts';
import { listMirror, shownBy } from './mirror-listing.ts';
import { CLOUD, type MirroredTenant, type Shown } from './mirrored.ts';

export interface Comparison {
  /** Lines such as `VirtualMachine web-1: status.address is "10.0.0.1", and not "10.0.0.2"`. */
  readonly differences: readonly string[];
  readonly objects: number;
  /** Values that were compared. */
  readonly fields: number;
}

/** Lists both sides and compares every field of every object that the mirror is to have. */
export async function compareMirror(api: OpenStackApi, client: KubeClient, tenant: MirroredTenant): Promise<Comparison> {
  const [cloud, objects] = [await listCloud(api), await listMirror(client, tenant)];
  const { metadata: { uid }, status } = await client.get(openStackTenants, tenant);
  const tally = new Tally();
  const wanted = new Map(expectedObjects(cloud, tenant).map((one) => [keyOf(one), one]));
  const found = new Map<string, KubeObject>();
  for (const object of objects) {
    const key = keyOf(shownBy(object));
    if (!wanted.has(key)) tally.differ(`${object.kind} ${object.metadata.name} mirrors nothing`);
    if (found.has(key)) tally.differ(`${object.kind} ${object.metadata.name} is there twice`);
    found.set(key, object);
  }
  for (const [key, one] of wanted) {
    const object = found.get(key);
    if (object === undefined) tally.differ(`${one.kind} ${one.name} is not there`);
    else compareObject(tally, object, one, uid, isTaken(one, wanted));
  }
  tally.compare('OpenStackTenant', 'status.counts', Object.fromEntries((status?.counts ?? []).map(({ kind, there }) => [kind, there])), expectedCounts(cloud));
  tally.compare('OpenStackTenant', 'status.quota', Object.fromEntries((status?.quota ?? []).map(({ name, limit, used }) => [name, `${used} of ${limit ?? -1}`])), expectedQuotas(cloud));
  return { differences: tally.differences, objects: found.size, fields: tally.fields };
}

class Tally {
  readonly differences: string[] = [];
  fields = 0;

  differ(line: string): void {
    this.differences.push(line);
  }

  compare(what: string, path: string, is: unknown, wanted: unknown): void {
    if (isFields(is) && isFields(wanted)) {
      for (const name of new Set([...Object.keys(is), ...Object.keys(wanted)])) this.compare(what, path === '' ? name : `${path}.${name}`, is[name], wanted[name]);
      return;
    }
    this.fields += 1;
    if (!isDeepStrictEqual(is, wanted)) this.differ(`${what}: ${path} is ${JSON.stringify(is)}, and not ${JSON.stringify(wanted)}`);
  }
}

function compareObject(tally: Tally, object: KubeObject, wanted: Shown, tenantUid: string | undefined, taken: boolean): void {
  const { name, ...shown } = shownBy(object);
  const { name: base, ...rest } = wanted;
  const title = `${object.kind} ${object.metadata.name}`;
  tally.compare(title, '', shown, rest);
  // Of two with one name the second has the beginning of its id.
  if (name !== base && !(taken && name === `${base}-${wanted.id.slice(0, 8)}`)) tally.differ(`${title} is not called ${base}`);
  const owner = object.metadata.namespace === undefined ? object.metadata.labels?.[`${CLOUD}tenant-uid`] : controllerOf(object)?.uid;
  tally.compare(title, 'owner', owner, tenantUid);
}

function isTaken({ kind, id, name }: Shown, all: ReadonlyMap<string, Shown>): boolean {
  return [...all.values()].some((other) => other.kind === kind && other.name === name && other.id !== id);
}

function keyOf({ kind, id }: Shown): string {
  return `${kind}/${id}`;
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
