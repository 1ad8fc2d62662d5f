import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run, type RunOptions } from '../../../base/process.ts';
import { LocalError } from '../../errors.ts';
import { readIfExists, writeFileAtomically } from '../../file.ts';
import { cephConf, type CephPlace } from './ceph-conf.ts';

export const cephDaemons = ['mon', 'mgr', 'osd', 'mds'] as const;
export type CephDaemon = (typeof cephDaemons)[number];

export interface BringUpOptions {
  /** Starts a daemon with its command, and keeps it; called once for each, in their order. */
  readonly start: (daemon: CephDaemon) => Promise<void>;
  /** Makes what the cluster is to have from its beginning. Called again where it did not come to its end. */
  readonly furnish?: () => Promise<void>;
  readonly signal?: AbortSignal;
}

type Capabilities = Readonly<Record<string, string>>;

/** What cannot be reached is an error soon, instead of after minutes. */
const ADMIN = ['--connect-timeout', '10'];
const PROBE_MS = 200;
const PATIENCE_MS = 300_000;

/** A real Ceph of one machine, all of it in one folder: its data are sparse files. */
export class CephSite {
  readonly #place: CephPlace;

  constructor(place: CephPlace) {
    this.#place = place;
  }

  /** As settings of backends have them. */
  get monitors(): readonly string[] {
    return [`${this.#place.address}:${this.#place.ports.v1}`];
  }

  /** The command of a daemon, which stays in front and speaks to standard error. */
  commandOf(daemon: CephDaemon): readonly string[] {
    return [`ceph-${daemon}`, '-f', '-c', this.conf, '--id', daemon === 'osd' ? '0' : 'a'];
  }

  /** Runs the command `ceph` as the administrator; what it says. */
  ceph(...args: readonly string[]): Promise<string> {
    return this.#run('ceph', ['-c', this.conf, ...ADMIN, ...args]);
  }

  /** Runs the command `rbd` as the administrator; what it says. */
  rbd(...args: readonly string[]): Promise<string> {
    return this.#run('rbd', ['-c', this.conf, ...args]);
  }

  /** A user with these capabilities; its key. */
  async user(name: string, capabilities: Capabilities): Promise<string> {
    return (await this.ceph('auth', 'get-or-create-key', `client.${name}`, ...Object.entries(capabilities).flat())).trim();
  }

  async pool(name: string): Promise<void> {
    await this.ceph('osd', 'pool', 'create', name, '8');
    await this.rbd('pool', 'init', name);
  }

  /** Returns when it can be mounted. */
  async fileSystem(name: string, signal?: AbortSignal): Promise<void> {
    for (const pool of [`${name}-metadata`, `${name}-data`]) await this.ceph('osd', 'pool', 'create', pool, '8');
    const known = JSON.parse(await this.ceph('fs', 'ls', '--format', 'json')) as readonly { readonly name: string }[];
    if (!known.some((one) => one.name === name)) await this.ceph('fs', 'new', name, `${name}-metadata`, `${name}-data`);
    await eventually('the file system is active', async () => (await this.ceph('mds', 'stat')).includes('up:active'), signal);
  }

  /** Brings the daemons up, at the first time with a cluster that is made for them. What was not made to its end is made anew. */
  async bringUp(options: BringUpOptions): Promise<void> {
    if ((await readIfExists(this.#made)) === undefined) return this.#make(options);
    for (const daemon of cephDaemons) await options.start(daemon);
  }

  async #make({ start, furnish, signal }: BringUpOptions): Promise<void> {
    const { folder } = this.#place;
    const fsid = randomUUID();
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFileAtomically(this.conf, cephConf(this.#place, fsid));
    await this.#makeMonitor(fsid);
    await start('mon');
    await this.#keyring('mgr', 'mgr.a', { mon: 'allow profile mgr', osd: 'allow *', mds: 'allow *' });
    await start('mgr');
    await this.ceph('osd', 'set-require-min-compat-client', 'mimic');
    await this.#makeDisk();
    await start('osd');
    await this.#keyring('mds', 'mds.a', { mon: 'allow profile mds', mgr: 'allow profile mds', osd: 'allow rwx', mds: 'allow *' });
    await start('mds');
    await eventually('the disk is up', async () => /1 up/.test(await this.ceph('osd', 'stat')), signal);
    await eventually('the manager has its modules', () => this.ceph('fs', 'subvolumegroup', 'ls', 'none').then(() => true, (error: unknown) => /ENOENT/.test(String(error))), signal);
    await furnish?.();
    await writeFileAtomically(this.#made, fsid);
  }

  async #makeMonitor(fsid: string): Promise<void> {
    const { folder, address, ports } = this.#place;
    const keyring = join(folder, 'keyring');
    await this.#run('ceph-authtool', ['--create-keyring', keyring, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *']);
    await this.#run('ceph-authtool', [keyring, '--gen-key', '-n', 'client.admin', '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *', '--cap', 'mds', 'allow *', '--cap', 'mgr', 'allow *']);
    await this.#run('monmaptool', ['--create', '--addv', 'a', `[v2:${address}:${ports.v2},v1:${address}:${ports.v1}]`, '--fsid', fsid, join(folder, 'monmap')]);
    await mkdir(join(folder, 'mon'));
    await this.#run('ceph-mon', ['--mkfs', '-c', this.conf, '--id', 'a', '--monmap', join(folder, 'monmap'), '--keyring', keyring]);
  }

  async #makeDisk(): Promise<void> {
    const uuid = randomUUID();
    await mkdir(join(this.#place.folder, 'osd'));
    await this.ceph('osd', 'new', uuid);
    await this.#keyring('osd', 'osd.0', { mon: 'allow profile osd', mgr: 'allow profile osd', osd: 'allow *' });
    await this.#run('ceph-osd', ['--mkfs', '-c', this.conf, '--id', '0', '--osd-uuid', uuid], { timeoutMs: PATIENCE_MS });
  }

  async #keyring(folder: CephDaemon, name: string, capabilities: Capabilities): Promise<void> {
    await mkdir(join(this.#place.folder, folder), { recursive: true });
    await this.ceph('auth', 'get-or-create', name, ...Object.entries(capabilities).flat(), '-o', join(this.#place.folder, folder, 'keyring'));
  }

  #run(file: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
    return run(file, args, { cwd: '/', ...options });
  }

  /** The administrator's configuration. */
  get conf(): string {
    return join(this.#place.folder, 'ceph.conf');
  }

  /** There once all was made. */
  get #made(): string {
    return join(this.#place.folder, 'made');
  }
}

async function eventually(what: string, probe: () => Promise<boolean>, signal?: AbortSignal): Promise<void> {
  let last: unknown;
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await delay(PROBE_MS, undefined, signal === undefined ? {} : { signal })) {
    try {
      if (await probe()) return;
    } catch (error) {
      last = error;
    }
  }
  throw new LocalError('CephNotUp', `Ceph is not up after ${PATIENCE_MS / 1000} s: it was waited until ${what}.`, { cause: last, disposition: 'retry' });
}
