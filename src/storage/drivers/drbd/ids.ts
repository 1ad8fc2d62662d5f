import { createHash } from 'node:crypto';
import { StorageError } from '../../port.ts';

const ID = /^vol-([0-9a-f]{32})$/;
/** What LVM and DRBD call ours. */
export const PREFIX = 'yado-';

/** The same name gives the same id, so that a call that is repeated finds what it made. */
export function idOf(backend: string, name: string): string {
  return `vol-${digest(`${backend}\0${name}`)}`;
}

/** Of the resource of DRBD and its logical volume. Ids are ours; what is not one names nothing. */
export function resourceOf(id: string): string {
  const [, hex] = ID.exec(id) ?? [];
  if (hex === undefined) throw new StorageError('VolumeNotFound', `there is no volume ${JSON.stringify(id)}`);
  return `${PREFIX}${hex}`;
}

export function isId(text: string): boolean {
  return ID.test(text);
}

/** The volume that a resource, a logical volume or one of metadata is of. */
export function idOfResource(resource: string): string | undefined {
  const [, hex] = /^yado-([0-9a-f]{32})(?:\.meta)?$/.exec(resource) ?? [];
  return hex === undefined ? undefined : `vol-${hex}`;
}

/** Keeps a volume in the API until this node has nothing of it. */
export function finalizerOf(node: string): string {
  // What is behind the slash has no more than 63 characters.
  return `drbd.yadokari.dev/${node.length <= 63 ? node : digest(node)}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
