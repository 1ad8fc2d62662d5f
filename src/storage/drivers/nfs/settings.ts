import { isIP, isIPv4 } from 'node:net';
import { isAbsolute, normalize } from 'node:path';
import { StorageError } from '../../port.ts';
import { ganeshaFiles, ganeshaFolder, type GaneshaFiles } from './ganesha-files.ts';

/** What a StorageBackend says under `nfs`: a folder for each volume on a server that somebody else has, or a server of our own. */
export type NfsSettings = ExportedFolder | ManagedServer;

/** `{server, export, mountOptions?, lostNodes?}` */
export interface ExportedFolder {
  readonly kind: 'exported';
  /** Name or address. */
  readonly server: string;
  /** The path that the server exports. */
  readonly export: string;
  /** Of nodes, and of whoever makes the folders. */
  readonly mountOptions: readonly string[];
  /** Whether a volume stays with a node that does not answer, since nothing keeps the node from writing to it; default Keep. */
  readonly lostNodes: 'Keep' | 'Release';
}

/** `{managed: {server, port?, path, ganesha?, clients?}}` */
export interface ManagedServer {
  readonly kind: 'managed';
  /** Address at which nodes reach nfs-ganesha. */
  readonly server: string;
  readonly port: number;
  /** Folder of the volumes, on the machine of nfs-ganesha: on btrfs they have quotas, snapshots and clones. */
  readonly path: string;
  readonly ganesha: GaneshaFiles;
  /** Addresses and networks that may mount any volume, besides the nodes that have it; `*` is everybody, and the default nobody. */
  readonly clients: readonly string[];
}

export const NFS_PORT = 2049;

/** Decided here: which server, which path of it and which protocol. */
const OURS = /^(addr|clientaddr|proto|remount|bind|rbind|move|ro|rw)(=|$)/;
const VERSIONS = ['4', '4.0', '4.1', '4.2'];

type Fields = Readonly<Record<string, unknown>>;

/** Throws InvalidRequest, which names the setting, what it is and what it may be. */
export function parseSettings(given: Fields): NfsSettings {
  if (given['managed'] === undefined) {
    onlyKnown(given, '', ['server', 'export', 'mountOptions', 'lostNodes', 'managed']);
    return { kind: 'exported', server: hostOf(given, ''), export: pathOf(given, '', 'export'), mountOptions: mountOptionsOf(given), lostNodes: lostNodesOf(given) };
  }
  onlyKnown(given, '', ['managed']);
  return parseManaged(objectOf(given, '', 'managed'));
}

/** The same for what is under `managed`. */
export function parseManaged(managed: Fields): ManagedServer {
  onlyKnown(managed, 'managed.', ['server', 'port', 'path', 'ganesha', 'clients']);
  const path = pathOf(managed, 'managed.', 'path');
  return { kind: 'managed', server: hostOf(managed, 'managed.'), port: portOf(managed), path, clients: clientsOf(managed), ganesha: ganeshaOf(managed, path) };
}

function ganeshaOf(managed: Fields, path: string): GaneshaFiles {
  if (managed['ganesha'] === undefined) return ganeshaFiles(ganeshaFolder(path));
  const ganesha = objectOf(managed, 'managed.', 'ganesha');
  onlyKnown(ganesha, 'managed.ganesha.', ['exports', 'pidFile', 'logFile']);
  const file = (name: string): string => pathOf(ganesha, 'managed.ganesha.', name);
  return { exports: file('exports'), pidFile: file('pidFile'), logFile: file('logFile') };
}

/** Whether it is an address, a network or, for networks only, everybody. */
export function isClient(text: string): boolean {
  const [address = '', bits, more] = text.split('/');
  if (text === '*') return true;
  if (isIP(address) === 0 || more !== undefined) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (isIPv4(address) ? 32 : 128));
}

function onlyKnown(given: Fields, within: string, known: readonly string[]): void {
  for (const key of Object.keys(given)) if (!known.includes(key)) throw wrong(`${within}${key}`, given[key], `it is not known; known are ${known.map((name) => `nfs.${within}${name}`).join(', ')}`);
}

function objectOf(given: Fields, within: string, name: string): Fields {
  const value = given[name];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(`${within}${name}`, value, 'it must be an object');
  return value as Fields;
}

function hostOf(given: Fields, within: string): string {
  const { server } = given;
  if (typeof server !== 'string' || (isIP(server) === 0 && !/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?$/i.test(server))) throw wrong(`${within}server`, server, 'it must be the name or the address of a host');
  return server;
}

function portOf({ port = NFS_PORT }: Fields): number {
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65535) throw wrong('managed.port', port, 'it must be a number from 1 to 65535');
  return port;
}

function pathOf(given: Fields, within: string, name: string): string {
  const value = given[name];
  // What nfs-ganesha or mount would read as something else than a path.
  if (typeof value !== 'string' || !isAbsolute(value) || /["\n\\,]/.test(value) || value.split('/').includes('..')) throw wrong(`${within}${name}`, value, 'it must be an absolute path without .., quotes, commas, backslashes and newlines');
  const path = normalize(value);
  return path === '/' ? path : path.replace(/\/$/, '');
}

function mountOptionsOf({ mountOptions = [] }: Fields): readonly string[] {
  if (!Array.isArray(mountOptions)) throw wrong('mountOptions', mountOptions, 'it must be a list, such as ["nconnect=4"]');
  return mountOptions.map((option: unknown, index) => {
    const name = `mountOptions[${index}]`;
    if (typeof option !== 'string' || !/^[a-z0-9_]+(=[A-Za-z0-9_.:/-]+)?$/.test(option)) throw wrong(name, option, 'it must be one option of nfs(5), such as nconnect=4');
    if (OURS.test(option)) throw wrong(name, option, 'it is set by the driver');
    const [, version] = /^(?:nfsvers|vers)=(.+)$/.exec(option) ?? [];
    if (version !== undefined && !VERSIONS.includes(version)) throw wrong(name, option, `the versions of NFS that can be used are ${VERSIONS.join(', ')}`);
    return option;
  });
}

function lostNodesOf({ lostNodes = 'Keep' }: Fields): 'Keep' | 'Release' {
  if (lostNodes !== 'Keep' && lostNodes !== 'Release') throw wrong('lostNodes', lostNodes, 'it must be Keep or Release');
  return lostNodes;
}

function clientsOf({ clients = [] }: Fields): readonly string[] {
  if (!Array.isArray(clients)) throw wrong('managed.clients', clients, 'it must be a list of addresses and networks, such as ["10.0.0.0/24"]');
  clients.forEach((client: unknown, index) => {
    if (typeof client !== 'string' || !isClient(client)) throw wrong(`managed.clients[${index}]`, client, 'it must be an address, a network such as 10.0.0.0/24, or *');
  });
  return clients as readonly string[];
}

function wrong(name: string, value: unknown, fault: string): StorageError {
  const said = value === undefined ? 'is missing' : `is ${JSON.stringify(value)}`;
  return new StorageError('InvalidRequest', `the setting nfs.${name} ${said}: ${fault}`, { disposition: 'stalled' });
}
