import { BlockList, isIPv4 } from 'node:net';
import { StorageError } from '../../port.ts';

export interface DrbdSettings {
  readonly volumeGroup: string;
  readonly thinPool?: string;
  /** Nodes that have a copy of each new volume. */
  readonly replicas: number;
  /** Addresses in it are for replication. */
  readonly network?: BlockList;
  readonly ports: { readonly first: number; readonly last: number };
  readonly onNoQuorum: 'suspend-io' | 'io-error';
}

const KNOWN = ['volumeGroup', 'thinPool', 'replicas', 'network', 'portRange', 'onNoQuorum'] as const;
const LVM_NAME = /^[A-Za-z0-9_+.][-A-Za-z0-9_+.]*$/;
const LEAST = 2;
const MOST = 3;

/** Throws InvalidRequest, which names the field, its value and what is allowed. */
export function parseSettings(given: Readonly<Record<string, unknown>>): DrbdSettings {
  for (const key of Object.keys(given)) if (!KNOWN.some((name) => name === key)) throw fault(key, given[key], `it is not known; known are ${KNOWN.join(', ')}`);
  const { volumeGroup, thinPool, replicas = 2, network, portRange = { first: 7000, last: 7999 }, onNoQuorum = 'suspend-io' } = given;
  if (!isLvmName(volumeGroup)) throw fault('volumeGroup', volumeGroup, 'it must be the name of a volume group of LVM that each node has');
  if (thinPool !== undefined && !isLvmName(thinPool)) throw fault('thinPool', thinPool, 'it must be the name of a thin pool of the volume group');
  if (!isNumber(replicas, LEAST, MOST)) throw fault('replicas', replicas, `it must be a number from ${LEAST} to ${MOST}`);
  if (onNoQuorum !== 'suspend-io' && onNoQuorum !== 'io-error') throw fault('onNoQuorum', onNoQuorum, 'it must be suspend-io or io-error');
  const { first, last } = portRange as { readonly first?: unknown; readonly last?: unknown };
  if (!isNumber(first, 1024, 65535) || !isNumber(last, first, 65535)) throw fault('portRange', portRange, 'it must have first and last, two ports from 1024 to 65535');
  return { volumeGroup, replicas, ports: { first, last }, onNoQuorum, ...(thinPool === undefined ? {} : { thinPool }), ...(network === undefined ? {} : { network: networkOf(network) }) };
}

function networkOf(given: unknown): BlockList {
  const [address = '', prefix = ''] = String(given).split('/');
  const bits = Number(prefix);
  if (!isIPv4(address) || !/^\d+$/.test(prefix) || bits > 32) throw fault('network', given, 'it must be a network of IPv4, such as 10.1.0.0/24');
  const network = new BlockList();
  network.addSubnet(address, bits);
  return network;
}

function isLvmName(value: unknown): value is string {
  return typeof value === 'string' && LVM_NAME.test(value) && value !== '.' && value !== '..';
}

function isNumber(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
}

function fault(field: string, value: unknown, allowed: string): StorageError {
  return new StorageError('InvalidRequest', `drbd.${field} is ${value === undefined ? 'missing' : JSON.stringify(value)}: ${allowed}`, { disposition: 'stalled' });
}
