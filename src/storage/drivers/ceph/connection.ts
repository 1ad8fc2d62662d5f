import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Log } from '../../../base/log.ts';
import { StorageError } from '../../port.ts';
import { CLUSTER_PROGRAM } from './cluster-program.ts';
import { CephError, ERRNO } from './errors.ts';
import { monHostOf, type CephUser } from './settings.ts';

export interface ConnectionOptions extends CephUser {
  readonly monitors: readonly string[];
  readonly log: Log;
}

export interface CallOptions {
  /** Longer than this the cluster is taken for unreachable, and the connection is made anew. Default 120 000. */
  readonly timeoutMs?: number;
}

/** Ceph's own limits, so that nothing hangs: https://docs.ceph.com/en/pacific/rados/api/librados-intro/ */
const OPTIONS = {
  client_mount_timeout: '5', rados_mon_op_timeout: '10', rados_osd_op_timeout: '30',
  // Snapshots whose clones are there may go, since clones keep what they need of them.
  rbd_default_clone_format: '2',
  log_to_stderr: 'false', err_to_stderr: 'false', log_file: '', admin_socket: '', keyring: '/dev/null',
};
const CONNECT_MS = 12_000;
/** Beyond what Ceph's own limits add up to when the owner of a lock has died. */
const CALL_MS = 120_000;
const END_MS = 5_000;
/** Debian's bindings are for Debian's Python, whatever else is on the path. */
const PYTHON = '/usr/bin/python3';
const LOADER = 'import sys, json; exec(json.loads(sys.stdin.readline()))';

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Fault {
  readonly errno: number;
  readonly message: string;
  /** What is asked for can never be, as the cluster is. */
  readonly invalid: boolean;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: Fault;
}

/** One process that is connected, until it ends; a connection has a new one then. */
interface Session {
  readonly child: Child;
  readonly pending: Map<number, Pending>;
  readonly connected: Promise<unknown>;
}

/** A connection to a cluster of Ceph that stays. It is made when it is first needed, and again after it was lost. */
export class CephConnection implements AsyncDisposable {
  readonly log: Log;
  /** Turns that are just being given back, which whoever wants them next waits for. */
  readonly unlocks = new Map<string, Promise<void>>();
  readonly #options: ConnectionOptions;
  #session: Session | undefined;
  #next = 1;

  constructor(options: ConnectionOptions) {
    this.log = options.log;
    this.#options = options;
  }

  /** Rejects with BackendUnreachable where nobody answers or the key is not taken, and with what Ceph says otherwise. */
  async call<T>(name: string, args: Readonly<Record<string, unknown>>, { timeoutMs = CALL_MS }: CallOptions = {}): Promise<T> {
    const session = this.#session ??= this.#connect();
    await session.connected;
    const id = this.#next++;
    const answered = this.#expect(session, id, timeoutMs, name);
    session.child.stdin.write(`${JSON.stringify({ id, call: name, args })}\n`);
    return await answered as T;
  }

  /** A command of a monitor, or of the manager; what it says, which is often nothing. */
  async command<T>(target: 'mon' | 'mgr', command: Readonly<Record<string, unknown>>): Promise<T> {
    const said = (await this.call<string>('command', { target, command: { format: 'json', ...command } })).trim();
    // Some say a plain word whatever they are asked for.
    return (/^[[{]/.test(said) ? JSON.parse(said) : said) as T;
  }

  /** Lets what is under way end, for a moment. */
  async [Symbol.asyncDispose](): Promise<void> {
    const session = this.#session;
    if (session === undefined || session.child.exitCode !== null || session.child.signalCode !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    session.child.once('close', () => resolve());
    session.child.stdin.end();
    const timer = setTimeout(() => session.child.kill('SIGKILL'), END_MS);
    await promise;
    clearTimeout(timer);
  }

  #connect(): Session {
    const { user, key, monitors } = this.#options;
    // Neither arguments nor an environment have the key: anybody may read those.
    const child = spawn(existsSync(PYTHON) ? PYTHON : 'python3', ['-I', '-c', LOADER], { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: process.env['PATH'] ?? '' } });
    const pending = new Map<number, Pending>();
    const session: Session = { child, pending, connected: this.#expect({ child, pending }, 0, CONNECT_MS, 'connecting') };
    const said = { last: '' };
    session.connected.catch(() => this.#end(session));
    child.stdin.on('error', () => {});
    child.stderr.on('data', (chunk: Buffer) => (said.last = `${said.last}${chunk.toString()}`.slice(-2000)));
    createInterface({ input: child.stdout }).on('line', (line) => this.#answered(session, line));
    child.on('error', (error) => this.#lost(session, error.message));
    child.on('close', () => this.#lost(session, said.last.trim().split('\n').at(-1) ?? ''));
    child.stdin.write(`${JSON.stringify(CLUSTER_PROGRAM)}\n${JSON.stringify({ user, key, options: { ...OPTIONS, mon_host: monHostOf({ monitors }) } })}\n`);
    this.log.debug({ monitors }, 'connecting to Ceph');
    return session;
  }

  #answered(session: Session, line: string): void {
    const { id, result, error } = JSON.parse(line) as Answer;
    const waiting = session.pending.get(id);
    session.pending.delete(id);
    if (error === undefined) return waiting?.resolve(result);
    waiting?.reject(id === 0 ? this.#notConnected(error) : errorOf(error));
    // Who was shut out stays so for as long as the connection is.
    if (error.errno === ERRNO.ESHUTDOWN) this.#end(session);
  }

  #notConnected({ errno, message }: Fault): StorageError {
    const { user, monitors } = this.#options;
    // What does not even look like a key is an invalid argument.
    const refused = errno === ERRNO.EACCES || errno === ERRNO.EPERM || errno === ERRNO.EINVAL;
    return new StorageError('BackendUnreachable', refused
      ? `Ceph at ${monitors.join(', ')} does not take the key of client.${user}: compare the Secret with "ceph auth get client.${user}" (${message})`
      : `Ceph at ${monitors.join(', ')} cannot be reached as client.${user}: ${message}`);
  }

  #expect({ child, pending }: Pick<Session, 'child' | 'pending'>, id: number, timeoutMs: number, what: string): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => {
      pending.delete(id);
      reject(new StorageError('BackendUnreachable', `Ceph at ${this.#options.monitors.join(', ')} has not answered for ${timeoutMs / 1000} s: ${what}`));
      // It may never: whoever asks next has another.
      if (this.#session?.child === child) this.#end(this.#session);
    }, timeoutMs);
    const ended = <T>(settle: (value: T) => void) => (value: T): void => {
      clearTimeout(timer);
      settle(value);
    };
    pending.set(id, { resolve: ended(resolve), reject: ended(reject) });
    return promise;
  }

  #end(session: Session): void {
    if (this.#session === session) this.#session = undefined;
    session.child.kill('SIGKILL');
  }

  #lost(session: Session, why: string): void {
    if (this.#session === session) this.#session = undefined;
    for (const { reject } of session.pending.values()) reject(new StorageError('BackendUnreachable', `the connection to Ceph has ended${why === '' ? '' : `: ${why}`}`));
    session.pending.clear();
  }
}

function errorOf({ errno, message, invalid }: Fault): StorageError {
  return invalid ? new StorageError('InvalidRequest', `Ceph says: ${message}`, { disposition: 'stalled' }) : new CephError(errno, `Ceph says: ${message}`);
}
