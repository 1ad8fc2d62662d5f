import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../../src/base/log.ts';
import { run } from '../../src/base/process.ts';
import { ganeshaFiles } from '../../src/storage/drivers/nfs/ganesha-files.ts';
import { GaneshaServer } from '../../src/storage/drivers/nfs/ganesha-server.ts';
import { ManagedSite } from '../../src/storage/drivers/nfs/managed-site.ts';
import { parseSettings, type ManagedServer } from '../../src/storage/drivers/nfs/settings.ts';
import { Underlay } from './network-host.ts';

const NETWORK = '10.77.5';
/** Clients on a processor that is emulated, and has little of a real one, come late; what they hold is theirs for so long. */
const LEASE_SECONDS = 10;

export interface NfsServerOptions {
  /** What the volumes' folder lies on: a btrfs of its own, or whatever this machine has. */
  readonly ground?: 'btrfs' | 'plain';
  readonly sizeMiB?: number;
  /** Absent: the network of all clients. */
  readonly clients?: readonly string[];
}

/**
 * nfs-ganesha with a folder for volumes, on a network of its own. Only for processes whose namespaces of mounts, of the
 * network and of processes are their own, so that nothing outlives them.
 */
export class NfsServerUnderTest implements AsyncDisposable {
  readonly folder: string;
  /** As a StorageBackend has them under `nfs`. */
  readonly settings: { readonly managed: Readonly<Record<string, unknown>> };
  readonly underlay: Underlay;
  #server: GaneshaServer | undefined;

  private constructor(folder: string, underlay: Underlay, clients: readonly string[]) {
    this.folder = folder;
    this.underlay = underlay;
    this.settings = { managed: { server: `${NETWORK}.1`, path: join(folder, 'volumes'), ganesha: ganeshaFiles(join(folder, 'ganesha')), clients } };
  }

  static async start({ ground = 'btrfs', sizeMiB = 1024, clients = [`${NETWORK}.0/24`] }: NfsServerOptions = {}): Promise<NfsServerUnderTest> {
    const folder = await mkdtemp(join(tmpdir(), 'yado-nfs-'));
    const server = new NfsServerUnderTest(folder, await Underlay.create('ynfs', NETWORK), clients);
    await mkdir(server.path);
    if (ground === 'btrfs') {
      await run('truncate', ['--size', `${sizeMiB}M`, join(folder, 'btrfs')]);
      await run('mkfs.btrfs', ['--quiet', join(folder, 'btrfs')]);
      // The loop device goes with the mount; what is deleted goes within a second.
      await run('mount', ['-o', 'loop,commit=1', join(folder, 'btrfs'), server.path]);
    }
    await server.startGanesha();
    return server;
  }

  get address(): string {
    return `${NETWORK}.1`;
  }

  /** Where the volumes are. */
  get path(): string {
    return String(this.settings.managed['path']);
  }

  get ganeshaPid(): number | undefined {
    return this.#server?.pid;
  }

  /** What nfs-ganesha said last, for whoever asks why a client of it failed. */
  async said(): Promise<string> {
    return (await readFile(ganeshaFiles(join(this.folder, 'ganesha')).logFile, 'utf8')).slice(-4000);
  }

  async startGanesha(): Promise<void> {
    const site = new ManagedSite(parseSettings(this.settings) as ManagedServer, 'n1');
    this.#server = await GaneshaServer.start({ folder: join(this.folder, 'ganesha'), address: this.address, port: 2049, leaseSeconds: LEASE_SECONDS, prepare: () => site.prepare(), log: createLog({ level: 'error' }) });
  }

  async stopGanesha(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopGanesha();
    await run('sh', ['-c', 'grep -F " $0" /proc/self/mounts | cut -d" " -f2 | sort -r | while read -r mounted; do umount -l "$mounted"; done', this.folder]);
    await this.underlay[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
