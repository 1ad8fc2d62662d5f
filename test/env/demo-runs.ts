import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../../src/base/process.ts';
import { clusterLayout, type ClusterLayout } from '../../src/local/layout.ts';
import { networkPlan, type NetworkPlan } from '../../src/local/network-plan.ts';
import { readRecord } from '../../src/local/record.ts';
import { tracesOf } from './leftovers.ts';
import { tied } from './tied.ts';

const yado = join(import.meta.dirname, '../../src/bin/yado.ts');

export interface EndedRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs of `yado` as people start them, all with one cluster in a folder of its own. */
export class DemoRuns implements AsyncDisposable {
  readonly name = `demo-${process.pid}`;
  readonly folder: string;
  readonly layout: ClusterLayout;
  readonly #running = new Set<ChildProcess>();

  private constructor(folder: string) {
    this.folder = folder;
    this.layout = clusterLayout(folder, this.name);
  }

  static async start(): Promise<DemoRuns> {
    return new DemoRuns(await mkdtemp(join(tmpdir(), 'yado-')));
  }

  start(...words: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<EndedRun> } {
    const child = spawn('setpriv', [...tied, yado, ...words, '--name', this.name, '--state-root', this.folder, '--kubeconfig', join(this.folder, 'kubeconfig')], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#running.add(child);
    const output = Promise.all([text(child.stdout), text(child.stderr)]);
    const ended = once(child, 'close').then(async ([code]: unknown[]) => {
      this.#running.delete(child);
      const [stdout, stderr] = await output;
      return { code: code as number | null, stdout, stderr };
    });
    return { child, ended };
  }

  async plan(): Promise<NetworkPlan> {
    let index: number | undefined;
    await until('the cluster recorded', async () => (index = (await readRecord(this.layout))?.index) !== undefined);
    return networkPlan(index ?? -1);
  }

  /** Resolves once nothing of the cluster is left; else says what is, and what the supervisor said last. */
  async untilGone(plan: NetworkPlan): Promise<void> {
    await until('nothing left', async () => (await tracesOf(plan, this.layout)).length === 0 && !existsSync(this.layout.root)).catch(async (error: unknown) => {
      const files = existsSync(this.layout.root) ? await run('find', [this.layout.root, '-maxdepth', '2']) : '';
      const log = await readFile(join(this.layout.logs, 'supervisor.log'), 'utf8').catch(() => 'none');
      throw new Error(`there is still:\n${(await tracesOf(plan, this.layout)).join('\n')}\n${files}\nlog of the supervisor:\n${log.slice(-4000)}`, { cause: error });
    });
  }

  async down(): Promise<void> {
    await run(process.execPath, [yado, 'down', '--delete', '--name', this.name, '--state-root', this.folder]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#running) child.kill('SIGKILL');
    await this.down().catch(() => {});
    await rm(this.folder, { recursive: true, force: true });
  }
}

export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 90_000; Date.now() < deadline; await delay(100)) if (await condition().catch(() => false)) return;
  assert.fail(`${what} did not come true within 90 s`);
}
