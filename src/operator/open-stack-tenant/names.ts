import { createHash } from 'node:crypto';

/** Limits of names: of machines, since others are named after them, and of all else. */
export const MACHINE_NAME_LIMIT = 57;
export const NAME_LIMIT = 253;
const HOST_NAME_LIMIT = 63;

/** An id as the value of a label. Ids that are none, such as names of keypairs, become one that begins with `x-`. */
export function labelOfId(id: string): string {
  return id.length <= 63 && /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(id) && !id.startsWith('x-') ? id : `x-${digestOf(id, 16)}`;
}

/** A name as RFC 1123 has it, of letters, digits and dashes: `Web Server_1` becomes `web-server-1`. Of names without any, `fallback` does. */
export function objectNameOf(name: string, fallback: string, limit: number): string {
  const cut = (text: string): string => text.normalize('NFKD').toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').slice(0, limit).replaceAll(/^-+|-+$/g, '');
  return cut(name) || cut(fallback) || digestOf(fallback, 8);
}

/** The host name of a server, and of the machine that it becomes. */
export function hostNameOf({ hostname, name, id }: { readonly hostname?: string; readonly name: string; readonly id: string }): string {
  return objectNameOf(hostname ?? name, id, HOST_NAME_LIMIT);
}

/** The name for whoever finds another there already: with the first digits of its id. */
export function withSuffix(name: string, id: string, limit: number): string {
  const suffix = /^[0-9a-f]{8}/.exec(id)?.[0] ?? digestOf(id, 8);
  return `${name.slice(0, limit - suffix.length - 1).replaceAll(/[-.]+$/g, '')}-${suffix}`;
}

export function digestOf(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits);
}
