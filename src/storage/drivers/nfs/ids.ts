import { createHash } from 'node:crypto';
import { StorageError } from '../../port.ts';

const ID = /^(?:vol|snap)-[0-9a-f]{32}$/;
/** Of the 65535 that nfs-ganesha has, 0 is the root of all exports. */
const EXPORT_IDS = 65534;

/** The same name gives the same id, so that a call that is repeated finds what it made. */
export function idOf(prefix: 'vol' | 'snap', name: string): string {
  return `${prefix}-${digest(name, 32)}`;
}

export function isId(text: string): boolean {
  return ID.test(text);
}

/** Ids are ours; what is not one names no file. */
export function checked(id: string): string {
  if (!ID.test(id)) throw new StorageError(id.startsWith('snap') ? 'SnapshotNotFound' : 'VolumeNotFound', `there is no ${JSON.stringify(id)} here`);
  return id;
}

/** A number for a volume that none of the others has; rather not one that was in use before, since clients remember. */
export function exportIdOf(id: string, taken: ReadonlySet<number>): number {
  const first = Number.parseInt(digest(id, 8), 16) % EXPORT_IDS;
  for (let step = 0; step < EXPORT_IDS; step += 1) {
    const found = ((first + step) % EXPORT_IDS) + 1;
    if (!taken.has(found)) return found;
  }
  throw new StorageError('NoSpace', `nfs-ganesha has no more than ${EXPORT_IDS} exports`);
}

/** A node as the server knows it: its name, and its address where that matters. */
export function nodeOf(id: string): { readonly name: string; readonly address?: string } {
  const [name = '', address] = id.split('/');
  return { name, ...(address === undefined ? {} : { address }) };
}

function digest(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}
