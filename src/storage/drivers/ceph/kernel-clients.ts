import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../../base/errors.ts';
import { run } from '../../../base/process.ts';
import { mount, mountAt } from '../../mounts.ts';
import { StorageError } from '../../port.ts';
import { writeKey } from './client-files.ts';
import type { CephSettings, CephUser } from './settings.ts';

export interface KernelMount {
  /** Of the volume alone. */
  readonly folder: string;
  readonly target: string;
  readonly flags: readonly string[];
  /** In the file system. */
  readonly path: string;
  readonly settings: CephSettings & { readonly filesystem: string };
  readonly user: CephUser;
}

const DEBUG = '/sys/kernel/debug';
/** The file with the address of the client. */
const CLIENT = 'client';

/** The kernel's own CephFS, with a client for each mount; it says in its debugging files by which addresses Ceph knows them. */
export class KernelClients {
  #last: Promise<unknown> = Promise.resolve();

  private constructor() {}

  /** Undefined where this kernel cannot, with its module loaded if need be, or says nothing of its clients. */
  static async open(): Promise<KernelClients | undefined> {
    const isOffered = async (): Promise<boolean> => (await readFile('/proc/filesystems', 'utf8')).split('\n').some((line) => line.trim() === 'ceph');
    if (!await isOffered()) await run('modprobe', ['ceph']).catch(() => {});
    if (!await isOffered()) return undefined;
    if (await mountAt(DEBUG) === undefined) await mount({ source: 'debugfs', target: DEBUG, type: 'debugfs' }).catch(() => {});
    return await readdir(join(DEBUG, 'ceph')).then(() => true, () => false) ? new KernelClients() : undefined;
  }

  /** One after the other, so that the client of each is known. */
  mount(request: KernelMount): Promise<void> {
    const mounted = this.#last.then(() => this.#mount(request));
    this.#last = mounted.catch(() => {});
    return mounted;
  }

  /** Address of the client by which the volume with this folder is mounted there; undefined when it is not. */
  async clientOf(folder: string, target: string | undefined): Promise<string | undefined> {
    if (target === undefined || (await mountAt(target))?.type !== 'ceph') return undefined;
    return readFile(join(folder, CLIENT), 'utf8').catch((error: unknown) => (errnoOf(error) === 'ENOENT' ? undefined : Promise.reject(error)));
  }

  async #mount({ folder, target, flags, path, settings: { monitors, filesystem }, user }: KernelMount): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await rm(join(folder, CLIENT), { force: true });
    const secret = await writeKey(folder, user);
    const newer = monitors.every((monitor) => monitor.endsWith(':3300'));
    const options = [`name=${user.user}`, `secretfile=${secret}`, `mds_namespace=${filesystem}`, 'noshare', ...(newer ? ['ms_mode=prefer-crc'] : []), ...flags];
    const before = await clients();
    await mount({ source: `${monitors.map((monitor) => monitor.replace(/^v[12]:/, '')).join(',')}:${path}`, target, type: 'ceph', options });
    const [made, ...others] = (await clients()).filter((address) => !before.includes(address));
    if (made === undefined || others.length > 0) throw new StorageError('Failed', 'the kernel does not say which of its clients has mounted the volume');
    await writeFile(join(folder, CLIENT), made, { mode: 0o600 });
  }
}

/** Lines such as `instance: client.4235 (3)10.0.0.5:0/123`. */
async function clients(): Promise<readonly string[]> {
  const names = await readdir(join(DEBUG, 'ceph'));
  const told = await Promise.all(names.map((name) => readFile(join(DEBUG, 'ceph', name, 'status'), 'utf8').catch(() => '')));
  return told.flatMap((text) => /^instance: \S+ (?:\(\d+\))?(\S+)/m.exec(text)?.[1] ?? []);
}
