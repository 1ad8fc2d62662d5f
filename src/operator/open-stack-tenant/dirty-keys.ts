import type { InventoryDifference, InventoryKind, InventoryState, KindDifference } from '../../openstack/inventory/state.ts';
import { labelOfId } from './names.ts';
import type { StateIndex } from './state-index.ts';
import type { TargetName } from './target.ts';

/** Why an object here is looked at: something changed in the cloud, or here. */
export type Cause = 'there' | 'here';

/** What is to be looked at, by target and label of the id. */
export class Dirty {
  readonly #marked = new Map<TargetName, Map<string, Cause>>();

  count(target: TargetName, cause: Cause): number {
    return [...this.#marked.get(target)?.values() ?? []].filter((one) => one === cause).length;
  }

  mark(target: TargetName, idLabel: string, cause: Cause): void {
    const known = this.#marked.get(target);
    if (known === undefined) this.#marked.set(target, new Map([[idLabel, cause]]));
    else if (known.get(idLabel) !== 'there') known.set(idLabel, cause);
    if (target === 'servers') this.mark('hostNames', idLabel, 'there');
  }

  /** Takes at most so many off. */
  take(target: TargetName, most: number): ReadonlyMap<string, Cause> {
    const known = this.#marked.get(target);
    if (known === undefined || most <= 0) return new Map();
    const taken = new Map([...known].slice(0, most));
    for (const id of taken.keys()) known.delete(id);
    return taken;
  }
}

/** Marks all that looks different here because of a difference there. Costs as much as has changed. */
export function markDifference(dirty: Dirty, difference: InventoryDifference, state: InventoryState, index: StateIndex): void {
  const mark = (target: TargetName, id: string | undefined): void => void (id !== undefined && dirty.mark(target, labelOfId(id), 'there'));
  for (const kind of ['flavors', 'images', 'securityGroups', 'subnets', 'servers'] as const) for (const { id } of touched(difference, kind)) mark(kind, id);
  for (const { name } of touched(difference, 'keypairs')) mark('keypairs', name);
  for (const { id, attachments } of touched(difference, 'volumes')) {
    mark('claims', id);
    mark('volumes', id);
    for (const { serverId } of attachments) mark('servers', serverId);
  }
  for (const { deviceId } of touched(difference, 'ports')) if (deviceId !== undefined && state.servers.has(deviceId)) mark('servers', deviceId);
  for (const { members } of touched(difference, 'serverGroups')) for (const id of members) mark('servers', id);
  for (const { id } of touched(difference, 'images')) for (const server of index.serversOfImage(state, id)) mark('servers', server.id);
  const networks = new Set(touched(difference, 'networks').map(({ id }) => id));
  if (networks.size > 0) for (const { id, networkId } of state.subnets.values()) if (networks.has(networkId)) mark('subnets', id);
  const flavors = new Set(touched(difference, 'flavors').flatMap(({ id, name }) => [`reference ${id}`, `copy ${name}`]));
  if (flavors.size > 0) for (const { id, flavor } of state.servers.values()) if (flavors.has(`${flavor.kind} ${flavor.kind === 'copy' ? flavor.name : flavor.id}`)) mark('servers', id);
}

/** How many objects of the cloud differ. */
export function sizeOf(difference: InventoryDifference): number {
  return Object.values(difference as Readonly<Record<string, KindDifference<unknown>>>).reduce((sum, { added, changed, removed }) => sum + added.length + changed.length + removed.length, 0);
}

function touched<K extends InventoryKind>(difference: InventoryDifference, kind: K): readonly (InventoryDifference[K] extends KindDifference<infer T> ? T : never)[] {
  const { added, changed, removed } = difference[kind] as KindDifference<never>;
  return [...added, ...removed, ...changed.flatMap(({ before, after }) => [before, after])];
}
