import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { run } from '../../src/base/process.ts';
import { CephSite, type CephDaemon } from '../../src/local/storage/servers/ceph-site.ts';
import { ownFolder } from './own-folder.ts';
import { tiedProgram } from './tied.ts';

const PREFIX = 'yado-ceph-';

/** A real Ceph of one node, all of it in one folder and at one address of this machine; its processes end with this one, however it ends. */
export class CephCluster implements AsyncDisposable {
  readonly folder: string;
  readonly site: CephSite;
  readonly #daemons = new Map<CephDaemon, ChildProcess>();

  private constructor(folder: string, site: CephSite) {
    this.folder = folder;
    this.site = site;
  }

  static async start(address = '127.0.0.1'): Promise<CephCluster> {
    const folder = await ownFolder(PREFIX);
    const [v2 = 0, v1 = 0] = await freePorts(address, 2);
    await mkdir(join(folder, 'log'));
    const cluster = new CephCluster(folder, new CephSite({ folder: join(folder, 'site'), address, ports: { v2, v1 } }));
    try {
      await cluster.site.bringUp({ start: async (daemon) => cluster.run(daemon) });
      return cluster;
    } catch (error) {
      const logs = await run('sh', ['-c', `tail -n 5 ${folder}/log/*`]).catch(() => '');
      await cluster[Symbol.asyncDispose]();
      throw new Error(`Ceph does not start: ${logs}`, { cause: error });
    }
  }

  /** As settings have them: the older protocol's port, which every client speaks. */
  get monitors(): readonly string[] {
    return this.site.monitors;
  }

  /** Runs the command `ceph` as the administrator; what it says. */
  ceph(...args: readonly string[]): Promise<string> {
    return this.site.ceph(...args);
  }

  /** Runs the command `rbd` as the administrator; what it says. */
  rbd(...args: readonly string[]): Promise<string> {
    return this.site.rbd(...args);
  }

  /** A user with these capabilities; its key. */
  user(name: string, capabilities: Readonly<Record<string, string>>): Promise<string> {
    return this.site.user(name, capabilities);
  }

  pool(name: string): Promise<void> {
    return this.site.pool(name);
  }

  fileSystem(name: string): Promise<void> {
    return this.site.fileSystem(name);
  }

  async kill(daemon: CephDaemon): Promise<void> {
    const child = this.#daemons.get(daemon);
    this.#daemons.delete(daemon);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Starts a daemon, again after a kill. */
  run(daemon: CephDaemon): void {
    const log = openSync(join(this.folder, 'log', daemon), 'a');
    this.#daemons.set(daemon, spawn('setpriv', [...tiedProgram, ...this.site.commandOf(daemon)], { stdio: ['ignore', log, log] }));
    closeSync(log);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const daemon of ['mds', 'osd', 'mgr', 'mon'] as const) await this.kill(daemon);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

async function freePorts(address: string, count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, address));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
