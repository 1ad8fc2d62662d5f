import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../src/base/process.ts';
import { until } from './host-runtime.ts';

type Daemon = 'mon' | 'mgr' | 'osd' | 'mds';

const PREFIX = 'yado-ceph-';
const GI = 2 ** 30;
/** What of the cluster is thrown away when nobody answers, instead of waiting for minutes. */
const ADMIN = ['--connect-timeout', '10'];

/** A real Ceph of one node, all of it in one folder and at one address of this machine; its processes end with this one, however it ends. */
export class CephCluster implements AsyncDisposable {
  readonly folder: string;
  readonly #daemons = new Map<Daemon, ChildProcess>();
  readonly #address: string;
  #ports: readonly number[] = [];

  private constructor(folder: string, address: string) {
    this.folder = folder;
    this.#address = address;
  }

  static async start(address = '127.0.0.1'): Promise<CephCluster> {
    await removeAbandoned();
    const cluster = new CephCluster(await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`)), address);
    try {
      await cluster.#bringUp();
      return cluster;
    } catch (error) {
      const logs = await run('sh', ['-c', `tail -n 5 ${cluster.folder}/*.log`]).catch(() => '');
      await cluster[Symbol.asyncDispose]();
      throw new Error(`Ceph does not start: ${logs}`, { cause: error });
    }
  }

  /** As settings have them: the older protocol's port, which every client speaks. */
  get monitors(): readonly string[] {
    return [`${this.#address}:${this.#ports[1]}`];
  }

  /** Runs the command `ceph` as the administrator; what it says. */
  ceph(...args: readonly string[]): Promise<string> {
    return run('ceph', ['-c', this.#conf, ...ADMIN, ...args]);
  }

  /** Runs the command `rbd` as the administrator; what it says. */
  rbd(...args: readonly string[]): Promise<string> {
    return run('rbd', ['-c', this.#conf, ...args]);
  }

  /** A user with these capabilities; its key. */
  async user(name: string, caps: Readonly<Record<string, string>>): Promise<string> {
    return (await this.ceph('auth', 'get-or-create-key', `client.${name}`, ...Object.entries(caps).flat())).trim();
  }

  async pool(name: string): Promise<void> {
    await this.ceph('osd', 'pool', 'create', name, '8');
    await this.rbd('pool', 'init', name);
  }

  async fileSystem(name: string): Promise<void> {
    for (const pool of [`${name}-metadata`, `${name}-data`]) await this.ceph('osd', 'pool', 'create', pool, '8');
    await this.ceph('fs', 'new', name, `${name}-metadata`, `${name}-data`);
    await until('the file system is active', async () => (await this.ceph('mds', 'stat')).includes('up:active'));
  }

  async kill(daemon: Daemon): Promise<void> {
    const child = this.#daemons.get(daemon);
    this.#daemons.delete(daemon);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Starts a daemon, again after a kill. */
  run(daemon: Daemon): void {
    const id = daemon === 'osd' ? '0' : 'a';
    this.#daemons.set(daemon, spawn('setpriv', ['--pdeathsig', 'KILL', '--', `ceph-${daemon}`, '-f', '-c', this.#conf, '--id', id], { stdio: 'ignore' }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const daemon of ['mds', 'osd', 'mgr', 'mon'] as const) await this.kill(daemon);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  get #conf(): string {
    return join(this.folder, 'ceph.conf');
  }

  async #bringUp(): Promise<void> {
    const fsid = randomUUID();
    this.#ports = await freePorts(this.#address, 2);
    await writeFile(this.#conf, confOf(this.folder, fsid, this.#address, this.#ports));
    await this.#makeMonitor(fsid);
    this.run('mon');
    await this.#keyring('mgr', 'mgr.a', { mon: 'allow profile mgr', osd: 'allow *', mds: 'allow *' });
    this.run('mgr');
    await this.ceph('osd', 'set-require-min-compat-client', 'mimic');
    await this.#makeDisk();
    this.run('osd');
    await this.#keyring('mds', 'mds.a', { mon: 'allow profile mds', mgr: 'allow profile mds', osd: 'allow rwx', mds: 'allow *' });
    this.run('mds');
    await until('the disk is up', async () => /1 up/.test(await this.ceph('osd', 'stat')), 60_000);
    await until('the manager has its modules', () => this.ceph('fs', 'subvolumegroup', 'ls', 'none').then(() => true, (error: unknown) => /ENOENT/.test(String(error))), 60_000);
  }

  async #makeMonitor(fsid: string): Promise<void> {
    const keyring = join(this.folder, 'keyring');
    await run('ceph-authtool', ['--create-keyring', keyring, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *']);
    await run('ceph-authtool', [keyring, '--gen-key', '-n', 'client.admin', '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *', '--cap', 'mds', 'allow *', '--cap', 'mgr', 'allow *']);
    await run('monmaptool', ['--create', '--addv', 'a', `[v2:${this.#address}:${this.#ports[0]},v1:${this.#address}:${this.#ports[1]}]`, '--fsid', fsid, join(this.folder, 'monmap')]);
    await mkdir(join(this.folder, 'mon'));
    await run('ceph-mon', ['--mkfs', '-c', this.#conf, '--id', 'a', '--monmap', join(this.folder, 'monmap'), '--keyring', keyring]);
  }

  async #makeDisk(): Promise<void> {
    const uuid = randomUUID();
    await mkdir(join(this.folder, 'osd'));
    await this.ceph('osd', 'new', uuid);
    await this.#keyring('osd', 'osd.0', { mon: 'allow profile osd', mgr: 'allow profile osd', osd: 'allow *' });
    await run('ceph-osd', ['--mkfs', '-c', this.#conf, '--id', '0', '--osd-uuid', uuid], { timeoutMs: 120_000 });
  }

  async #keyring(folder: Daemon, name: string, caps: Readonly<Record<string, string>>): Promise<void> {
    await mkdir(join(this.folder, folder), { recursive: true });
    await this.ceph('auth', 'get-or-create', name, ...Object.entries(caps).flat(), '-o', join(this.folder, folder, 'keyring'));
  }
}

function confOf(folder: string, fsid: string, address: string, [v2 = 0, v1 = 0]: readonly number[]): string {
  return `[global]
fsid = ${fsid}
mon_host = [v2:${address}:${v2},v1:${address}:${v1}]
public_addr = ${address}
run_dir = ${folder}
admin_socket = ${folder}/$name.asok
log_file = ${folder}/$name.log
crash_dir = ${folder}/crash
pid_file =
keyring = ${folder}/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_crush_chooseleaf_type = 0
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_allow_pool_delete = true
mon_max_pg_per_osd = 1000
auth_allow_insecure_global_id_reclaim = false
[mon]
mon_data = ${folder}/mon
mon_data_avail_warn = 1
mon_data_avail_crit = 0
[mgr]
mgr_data = ${folder}/mgr
keyring = ${folder}/mgr/keyring
mgr_initial_modules =
[osd]
osd_data = ${folder}/osd
keyring = ${folder}/osd/keyring
osd_objectstore = bluestore
bluestore_block_size = ${16 * GI}
osd_memory_target = ${GI}
osd_client_watch_timeout = 10
[mds]
mds_data = ${folder}/mds
keyring = ${folder}/mds/keyring
[client]
pid_file =
log_file =
`;
}

async function freePorts(address: string, count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, address));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Folders of tests that could not clean up. */
async function removeAbandoned(): Promise<void> {
  for (const name of (await readdir(tmpdir())).filter((file) => file.startsWith(PREFIX))) {
    const alive = await readFile(`/proc/${name.slice(PREFIX.length).split('-')[0]}/stat`).then(() => true, () => false);
    if (!alive) await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
}
