import { CEPH_MONITOR, CEPH_NAME } from '../../../api/ceph-fields.ts';
import { StorageError } from '../../port.ts';

/** Where a cluster of Ceph is, and what of it is ours. */
export interface CephSettings {
  /** `host` or `host:port`; a port other than 3300 speaks the older protocol, unless `v2:` is before the host. */
  readonly monitors: readonly string[];
  /** Of images. */
  readonly pool?: string;
  /** Of the pool. */
  readonly namespace?: string;
  /** Of subvolumes. */
  readonly filesystem?: string;
  /** Of subvolumes. Default `csi`. */
  readonly group?: string;
}

export interface CephUser {
  /** Without `client.`. */
  readonly user: string;
  /** Base64, as Ceph writes it. */
  readonly key: string;
}

const MONITOR = new RegExp(CEPH_MONITOR);
const NAME = new RegExp(CEPH_NAME);
const NAMES = ['pool', 'namespace', 'filesystem', 'group'] as const;

/** Settings of which these are there too. Throws InvalidRequest, which names the field, its value and what is allowed. */
export function cephSettings<K extends typeof NAMES[number]>(given: Readonly<Record<string, unknown>>, ...needed: readonly K[]): CephSettings & Readonly<Record<K, string>> {
  for (const key of Object.keys(given)) if (key !== 'monitors' && !NAMES.some((name) => name === key)) throw fault(`ceph.${key}`, given[key], `it is not known; known are monitors, ${NAMES.join(', ')}`);
  const { monitors } = given;
  if (!Array.isArray(monitors) || monitors.length === 0) throw fault('ceph.monitors', monitors, 'it must be a list of at least one monitor, such as 10.0.0.1:6789');
  for (const [index, monitor] of monitors.entries()) if (typeof monitor !== 'string' || !MONITOR.test(monitor)) throw fault(`ceph.monitors[${index}]`, monitor, 'it must be a host or a host and a port, such as 10.0.0.1:6789');
  for (const name of NAMES) {
    const value = given[name];
    if (value === undefined && needed.some((one) => one === name)) throw fault(`ceph.${name}`, value, `this kind of backend needs the name of a ${name}`);
    if (value !== undefined && (typeof value !== 'string' || !NAME.test(value))) throw fault(`ceph.${name}`, value, 'it must be letters, digits, dashes, dots and underscores');
  }
  return given as unknown as CephSettings & Readonly<Record<K, string>>;
}

/** Throws InvalidRequest, which never shows a key. */
export function cephUser({ user, key }: Readonly<Record<string, string>>): CephUser {
  const name = user?.trim() ?? '';
  if (!NAME.test(name)) throw fault('user of the Secret', user, 'it must be the name of a user of Ceph, without "client."');
  if (name.startsWith('client.')) throw fault('user of the Secret', user, `it must be without "client.": ${name.slice('client.'.length)}`);
  const text = key?.trim() ?? '';
  if (!/^[A-Za-z0-9+/]{20,}={0,2}$/.test(text)) throw new StorageError('InvalidRequest', `key of the Secret is ${text === '' ? 'missing' : 'no key of Ceph'}: it must be what "ceph auth get-key" says`, { disposition: 'stalled' });
  return { user: name, key: text };
}

function fault(field: string, value: unknown, allowed: string): StorageError {
  return new StorageError('InvalidRequest', `${field} is ${value === undefined ? 'missing' : JSON.stringify(value)}: ${allowed}`, { disposition: 'stalled' });
}

/** Monitors as Ceph's configuration has them. Where the protocol is left open a key that is not taken looks like a monitor that is not there. */
export function monHostOf({ monitors }: Pick<CephSettings, 'monitors'>): string {
  return monitors.map((monitor) => (/^v[12]:/.test(monitor) || !/:[0-9]+$/.test(monitor) ? monitor : `${monitor.endsWith(':3300') ? 'v2' : 'v1'}:${monitor}`)).join(',');
}
