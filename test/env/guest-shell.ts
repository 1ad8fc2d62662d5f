import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../../src/base/process.ts';
import type { TestCluster } from './cluster.ts';

const SHELL_MS = 60_000;
const POLL_MS = 100;

/** A shell in a guest of a cluster, by way of the QEMU guest agent. */
export class GuestShell {
  readonly #cluster: TestCluster;
  readonly #node: string;
  readonly #uid: string;

  /** `uid` is the machine's. */
  constructor(cluster: TestCluster, node: string, uid: string) {
    this.#cluster = cluster;
    this.#node = node;
    this.#uid = uid;
  }

  /** Runs a script, and returns what it prints; throws when it fails. */
  async run(script: string): Promise<string> {
    const { exitCode, output, errors } = await this.attempt(script);
    if (exitCode !== 0) throw new Error(`${script}: exit code ${exitCode}: ${errors}`);
    return output;
  }

  async attempt(script: string): Promise<{ readonly exitCode: number; readonly output: string; readonly errors: string }> {
    const { pid } = await this.#agent('guest-exec', { path: '/bin/sh', arg: ['-c', script], 'capture-output': true }) as { readonly pid: number };
    for (const deadline = Date.now() + SHELL_MS; Date.now() < deadline; await delay(POLL_MS)) {
      const status = await this.#agent('guest-exec-status', { pid }) as { readonly exited: boolean; readonly exitcode?: number; readonly 'out-data'?: string; readonly 'err-data'?: string };
      if (status.exited) return { exitCode: status.exitcode ?? -1, output: text(status['out-data']), errors: text(status['err-data']) };
    }
    throw new Error('the guest did not finish what it was asked to do');
  }

  async #agent(execute: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    const command = JSON.stringify({ execute, arguments: args });
    const answer = await run('nsenter', ['-t', String(this.#cluster.initPid(this.#node)), '-a', '--', 'virsh', 'qemu-agent-command', '--timeout', '15', this.#uid, command], { timeoutMs: SHELL_MS });
    return (JSON.parse(answer) as { readonly return?: unknown }).return;
  }
}

function text(base64 = ''): string {
  return Buffer.from(base64, 'base64').toString('utf8').trim();
}
