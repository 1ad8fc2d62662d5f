import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../../../base/log.ts';
import { messageOf } from '../../../base/errors.ts';
import { StorageError } from '../../port.ts';
import { ensureAnswers } from './reachable.ts';
import { ganeshaFiles, type GaneshaFiles } from './ganesha-files.ts';

export interface GaneshaServerOptions {
  /** Its configuration, pid, log and what it remembers of clients; outlives it. */
  readonly folder: string;
  /** Of this machine, and not of its loopback alone. */
  readonly address: string;
  readonly port: number;
  /** How long a client may be silent before what it holds is others'; after a restart clients have somewhat longer to say what they held. Default 20. */
  readonly leaseSeconds?: number;
  /** Run before each start: exports that the folder of volumes has are there afterwards. */
  readonly prepare?: () => Promise<void>;
  readonly log: Log;
}

const LEASE_SECONDS = 20;
/** Where distributions put what exports file systems of the kernel. */
const PLUGIN_FOLDERS = ['/usr/lib/x86_64-linux-gnu/ganesha', '/usr/lib/aarch64-linux-gnu/ganesha', '/usr/lib64/ganesha', '/usr/lib/ganesha'];
const STARTED_MS = 20_000;
const LEAST_PAUSE_MS = 200;
const MOST_PAUSE_MS = 10_000;
const ENDED_MS = 5000;
/** Its log begins anew, at its next start, when it is larger. */
const LOG_BYTES = 64 * 1024 * 1024;

/** nfs-ganesha as a process of ours: NFS 4 over TCP and nothing else, started again whenever it ends, with all exports. */
export class GaneshaServer implements AsyncDisposable {
  readonly files: GaneshaFiles;
  readonly #options: GaneshaServerOptions;
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #kept: Promise<void> | undefined;

  private constructor(options: GaneshaServerOptions) {
    this.#options = options;
    this.files = ganeshaFiles(options.folder);
  }

  /** Returns when it serves. */
  static async start(options: GaneshaServerOptions): Promise<GaneshaServer> {
    const server = new GaneshaServer(options);
    await mkdir(server.files.exports, { recursive: true });
    await mkdir(join(options.folder, 'clients'), { recursive: true, mode: 0o700 });
    await writeFile(join(options.folder, 'ganesha.conf'), configText(options, await pluginFolder()));
    try {
      await server.#run();
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    server.#kept = server.#keep();
    return server;
  }

  /** Of the process, while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child !== undefined && isRunning(child)) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await Promise.race([ended, delay(ENDED_MS).then(() => child.kill('SIGKILL'))]);
      await ended;
    }
    await this.#kept;
  }

  async #run(): Promise<void> {
    const { folder, address, port, prepare } = this.#options;
    await prepare?.();
    if (await stat(this.files.logFile).then(({ size }) => size > LOG_BYTES, () => false)) await rm(this.files.logFile);
    await this.#endFormer();
    await rm(this.files.pidFile, { force: true });
    const child = spawn('ganesha.nfsd', ['-F', '-f', join(folder, 'ganesha.conf'), '-p', this.files.pidFile, '-L', this.files.logFile], { stdio: 'ignore' });
    this.#child = child;
    const failed = new Promise<never>((_, reject) => {
      child.once('error', (error) => reject(new StorageError('Failed', 'nfs-ganesha cannot be started; install nfs-ganesha and nfs-ganesha-vfs', { cause: error, disposition: 'stalled' })));
      child.once('exit', (code, signal) => reject(new StorageError('BackendUnreachable', `nfs-ganesha ended with ${code ?? signal}; see ${this.files.logFile}`)));
    });
    failed.catch(() => {});
    await Promise.race([failed, answers(address, port, this.#stopping.signal)]).catch((error: unknown) => {
      child.kill('SIGKILL');
      throw error;
    });
  }

  /** One that a process has left which was killed. What clients held they get back from the next. */
  async #endFormer(): Promise<void> {
    const pid = (await readFile(this.files.pidFile, 'utf8').catch(() => '')).trim();
    const isOurs = async (): Promise<boolean> => pid !== '' && (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes(this.files.pidFile);
    while (await isOurs()) {
      process.kill(Number(pid), 'SIGKILL');
      await delay(20);
    }
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stopping;
    const { log } = this.#options;
    for (let pauseMs = LEAST_PAUSE_MS; !signal.aborted;) {
      if (this.#child !== undefined && isRunning(this.#child)) await once(this.#child, 'exit');
      if (signal.aborted) return;
      log.warn({ pauseMs }, 'nfs-ganesha has ended; it is started again');
      await delay(pauseMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      pauseMs = await this.#run().then(() => LEAST_PAUSE_MS, (error: unknown) => {
        log.error({ error: messageOf(error) }, 'nfs-ganesha does not start');
        return Math.min(pauseMs * 2, MOST_PAUSE_MS);
      });
    }
  }
}

function configText({ folder, address, port, leaseSeconds = LEASE_SECONDS }: GaneshaServerOptions, plugins: string): string {
  return `LOG { Default_Log_Level = EVENT; }
NFS_CORE_PARAM {
  Protocols = 4; NFS_Port = ${port}; Bind_addr = ${address}; mount_path_pseudo = true;
  Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false;
  Plugins_Dir = "${plugins}";
}
NFSv4 {
  Minor_Versions = 0, 1, 2; Only_Numeric_Owners = true;
  RecoveryBackend = fs; RecoveryRoot = "${join(folder, 'clients')}"; Lease_Lifetime = ${leaseSeconds}; Grace_Period = ${Math.ceil(leaseSeconds * 1.5)};
}
%dir "${ganeshaFiles(folder).exports}"
`;
}

async function pluginFolder(): Promise<string> {
  for (const folder of PLUGIN_FOLDERS) if (await stat(join(folder, 'libfsalvfs.so')).then(() => true, () => false)) return folder;
  throw new StorageError('Failed', `nfs-ganesha cannot export file systems here: libfsalvfs.so is in none of ${PLUGIN_FOLDERS.join(', ')}; install nfs-ganesha-vfs`, { disposition: 'stalled' });
}

async function answers(address: string, port: number, signal: AbortSignal): Promise<void> {
  for (const deadline = Date.now() + STARTED_MS; ; await delay(20)) {
    const error = await ensureAnswers(address, port, signal).then(() => undefined, (failure: unknown) => failure);
    if (error === undefined) return;
    if (Date.now() > deadline || signal.aborted) throw error;
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null && child.pid !== undefined;
}
