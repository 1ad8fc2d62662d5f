import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Progress } from '../../base/progress.ts';
import { LocalError } from '../errors.ts';
import { ensurePackages, type DebianPackage } from '../packages.ts';
import type { OpenStackDaemon } from './daemons.ts';
import { ensureGolden } from './golden.ts';
import { OpenStackSite } from './openstack-site.ts';
import { openStackPackages } from './packages.ts';
import type { OpenStackShape } from './place.ts';
import { freePorts } from './ports.ts';
import { ensureServicePrograms } from './service-programs.ts';
import { TiedProcesses } from './tied-processes.ts';

export interface OpenStackPeerOptions extends OpenStackShape {
  /** Of this machine. Default 127.0.0.1. */
  readonly address?: string;
  readonly environment: NodeJS.ProcessEnv;
  /** False: say which Debian packages are missing instead of installing them. */
  readonly install: boolean;
  /** What the caller needs beside. */
  readonly packages?: readonly DebianPackage[];
  /** Where what is unpacked and made once is kept. */
  readonly cacheFolder: string;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

const PREFIX = 'yado-openstack-';
/** Databases write to memory of the kernel only: what they are in the middle of does not matter here. */
const GRACE_MS = 0;

/** A real OpenStack for as long as this process lives, all of it in one folder and at free ports; its processes end with this one, however it ends. */
export class OpenStackPeer implements AsyncDisposable {
  readonly folder: string;
  readonly site: OpenStackSite;
  readonly #processes: TiedProcesses<OpenStackDaemon>;

  private constructor(folder: string, site: OpenStackSite, processes: TiedProcesses<OpenStackDaemon>) {
    this.folder = folder;
    this.site = site;
    this.#processes = processes;
  }

  /** The first one on a machine takes half a minute more, as it makes databases that all others begin with. */
  static async start({ address = '127.0.0.1', environment, install, packages = [], cacheFolder, progress, signal, ...shape }: OpenStackPeerOptions): Promise<OpenStackPeer> {
    await removeAbandoned();
    await ensurePackages({ progress, install, extra: [...openStackPackages, ...packages], environment, ...(signal === undefined ? {} : { signal }) });
    const making = { cacheFolder, progress, ...(signal === undefined ? {} : { signal }) };
    const programs = await ensureServicePrograms(making);
    const golden = await ensureGolden({ ...making, programs });
    const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
    const site = new OpenStackSite({ folder: join(folder, 'site'), address, ports: await freePorts(address), programs: programs.folder }, shape);
    const peer = new OpenStackPeer(folder, site, new TiedProcesses(join(folder, 'log')));
    try {
      const failed = peer.#processes.failed;
      await site.bringUp({ start: (daemon) => peer.run(daemon), golden, progress, signal: signal === undefined ? failed : AbortSignal.any([signal, failed]) });
      return peer;
    } catch (error) {
      const { failed } = peer;
      // Whose end it was has told of itself; of whoever does not come up all may know something.
      const said = failed.aborted ? [] : await Promise.all(site.daemons.map(async (daemon) => `\n${daemon}: ${await peer.log(daemon)}`));
      await peer[Symbol.asyncDispose]();
      signal?.throwIfAborted();
      throw new LocalError('OpenStackNotUp', `OpenStack does not start${said.join('')}`, { cause: failed.aborted ? failed.reason : error });
    }
  }

  /** Starts a daemon, again after a kill. */
  run(daemon: OpenStackDaemon): Promise<void> {
    return this.#processes.start(daemon, this.site.commandOf(daemon));
  }

  kill(daemon: OpenStackDaemon): Promise<void> {
    return this.#processes.stop(daemon, GRACE_MS);
  }

  pidOf(daemon: OpenStackDaemon): number | undefined {
    return this.#processes.pidOf(daemon);
  }

  /** Aborts once a process has ended that was not to. */
  get failed(): AbortSignal {
    return this.#processes.failed;
  }

  /** The lines that tell most of what is wrong. */
  log(daemon: OpenStackDaemon): Promise<string> {
    return this.#processes.tail(daemon);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#processes.kill();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/** Folders of those who could not clean up. */
async function removeAbandoned(): Promise<void> {
  for (const name of (await readdir(tmpdir())).filter((file) => file.startsWith(PREFIX))) {
    const alive = await readFile(`/proc/${name.slice(PREFIX.length).split('-')[0]}/stat`).then(() => true, () => false);
    if (!alive) await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
}
