import { spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { errnoOf } from '../base/errors.ts';
import { LocalError } from './errors.ts';
import { openLog } from './log-file.ts';

/** One long-lived process of the cluster. */
export interface ComponentSpec {
  /** `etcd`, or `n1/kubelet` for what runs on a node. */
  readonly name: string;
  readonly command: readonly string[];
  /** Added to the command when it is started again after it ended by itself. */
  readonly afterEnd?: readonly string[];
  /** Put before the command: how it gets into its cgroup and namespaces, and dies with us. */
  readonly prefix: readonly string[];
  /** The command is the only child of the spawned process (nsenter forks to enter a PID namespace). */
  readonly forked: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly logFile: string;
  /** Resolves once it serves. Absent: at once. */
  readonly ready?: (signal: AbortSignal) => Promise<void>;
  /** From SIGTERM to SIGKILL. Default 5000. */
  readonly graceMs?: number;
}

export type ComponentState = 'stopped' | 'starting' | 'running' | 'waiting';

export interface ComponentStatus {
  readonly name: string;
  readonly state: ComponentState;
  readonly restarts: number;
  readonly pid?: number;
  readonly lastExit?: string;
}

export type Report = (subject: string, message: string, kind?: 'info' | 'warning') => void;

/** A run longer than this makes earlier failures forgotten. */
const steadyMs = 30_000;

/** Keeps one process running: restarts it after a growing delay when it ends by itself. */
export class Component {
  readonly spec: ComponentSpec;
  readonly #clock: Clock;
  readonly #report: Report;
  #state: ComponentState = 'stopped';
  #child: ChildProcess | undefined;
  #exit: Promise<void> = Promise.resolve();
  #restarts = 0;
  #failures = 0;
  #lastExit: string | undefined;
  #life = new AbortController();

  constructor(spec: ComponentSpec, clock: Clock, report: Report) {
    this.spec = spec;
    this.#clock = clock;
    this.#report = report;
  }

  /** Starts it and resolves once it is ready; restarts in between are part of the wait. */
  async start(signal: AbortSignal): Promise<void> {
    if (this.#state !== 'stopped') return;
    this.#life = new AbortController();
    const until = AbortSignal.any([signal, this.#life.signal]);
    await this.#spawn();
    const begun = this.#clock.now();
    await this.spec.ready?.(until);
    if (this.spec.ready !== undefined) this.#report(this.spec.name, `ready after ${this.#clock.now() - begun} ms`);
  }

  /** SIGTERM, then SIGKILL after the grace period. Idempotent. */
  async stop(): Promise<void> {
    this.#life.abort(new LocalError('Stopped', `${this.spec.name} was stopped.`));
    const child = this.#child;
    this.#state = 'stopped';
    if (child === undefined) return;
    await this.#signal(child, 'SIGTERM');
    const timeout = setTimeout(() => void this.#signal(child, 'SIGKILL'), this.spec.graceMs ?? 5000);
    await this.#exit;
    clearTimeout(timeout);
  }

  async restart(signal: AbortSignal): Promise<void> {
    await this.stop();
    await this.start(signal);
  }

  async status(): Promise<ComponentStatus> {
    const pid = this.#child === undefined ? undefined : await this.#pid(this.#child);
    return {
      name: this.spec.name,
      state: this.#state,
      restarts: this.#restarts,
      ...(pid === undefined ? {} : { pid }),
      ...(this.#lastExit === undefined ? {} : { lastExit: this.#lastExit }),
    };
  }

  async #spawn(more: readonly string[] = []): Promise<void> {
    const [file = '', ...args] = [...this.spec.prefix, ...this.spec.command, ...more];
    const { signal } = this.#life;
    const log = await openLog(this.spec.logFile);
    // It may have been stopped in between.
    if (signal.aborted) return log.close();
    this.#state = 'running';
    const started = this.#clock.now();
    const child = spawn(file, args, { stdio: ['ignore', log.descriptor, log.descriptor], env: { ...this.spec.environment }, cwd: '/' });
    log.close();
    this.#child = child;
    this.#exit = new Promise((resolve) => {
      const ended = (how: string) => {
        if (this.#child !== child) return;
        this.#child = undefined;
        this.#lastExit = how;
        resolve();
        if (this.#state !== 'stopped') this.#revive(how, this.#clock.now() - started);
      };
      child.once('error', (error) => ended(error.message));
      child.once('exit', (code, signal) => ended(signal === null ? `exit code ${code}` : `killed by ${signal}`));
    });
  }

  #revive(how: string, ranMs: number): void {
    this.#failures = ranMs > steadyMs ? 1 : this.#failures + 1;
    const delayMs = backoffMs(this.#failures, { baseMs: 200, capMs: 10_000 });
    this.#state = 'waiting';
    this.#report(this.spec.name, `ended (${how}), starting it again in ${delayMs} ms; its log is ${this.spec.logFile}`, 'warning');
    this.#clock.sleep(delayMs, this.#life.signal).then(async () => {
      this.#restarts += 1;
      await this.#spawn(this.spec.afterEnd);
    }).catch((error: unknown) => {
      if (!this.#life.signal.aborted) this.#report(this.spec.name, `could not be started again: ${String(error)}`, 'warning');
    });
  }

  async #signal(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    const pid = await this.#pid(child);
    try {
      if (pid === undefined) child.kill(signal);
      else process.kill(pid, signal);
    } catch (error) {
      if (errnoOf(error) !== 'ESRCH') throw error;
    }
  }

  /** The command's own process id on the host. */
  async #pid(child: ChildProcess): Promise<number | undefined> {
    if (child.pid === undefined || !this.spec.forked) return child.pid;
    return onlyChildOf(child.pid);
  }
}

/** The first child of a process, if it has one. */
export async function onlyChildOf(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const first = text.trim().split(' ')[0] ?? '';
  return first === '' ? undefined : Number(first);
}
