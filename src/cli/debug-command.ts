import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { messageOf } from '../base/errors.ts';
import { run } from '../base/process.ts';
import type { KubeClient } from '../kube/client.ts';
import { ControlClient } from '../local/control-client.ts';
import { clusterLayout } from '../local/layout.ts';
import { readRecord } from '../local/record.ts';
import { localClusterOf, withTarget, withTargetOptions, type TargetOptions } from './cluster-target.ts';
import { kubernetesVersionOf } from './cluster-version.ts';
import type { CliContext } from './context.ts';
import { stateFiles } from './dump/node-state.ts';
import { objectFiles, type DumpFile } from './dump/objects.ts';
import { statusText } from './status-command.ts';
import { versions } from './versions.ts';

interface DumpOptions extends TargetOptions {
  readonly output?: string;
}

export function registerDebug(program: Command, context: CliContext): void {
  const debug = program.command('debug').description('find out what is wrong');
  withTargetOptions(debug.command('dump'))
    .description('collect objects, logs and the state of nodes into one archive, without secrets')
    .option('-o, --output <file>', 'the archive (default: yado-dump-<time>.tar.gz here)')
    .action(async (options: DumpOptions) => dump(options, context));
}

async function dump(options: DumpOptions, context: CliContext): Promise<void> {
  const { progress, signal } = context;
  const name = `yado-dump-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`;
  const output = resolve(options.output ?? `${name}.tar.gz`);
  const temporary = await mkdtemp(join(tmpdir(), 'yado-dump-'));
  try {
    const folder = join(temporary, name);
    await mkdir(folder, { mode: 0o700 });
    await progress.step('Collecting', async (step) => {
      const problems: string[] = [];
      // A dump is for when things are broken: each part is taken for itself.
      const part = async (title: string, work: () => Promise<readonly DumpFile[]>) => {
        step.update(title);
        const files = await work().catch((error: unknown) => {
          signal.throwIfAborted();
          problems.push(`${title}: ${messageOf(error)}`);
          return [];
        });
        for (const file of files) await write(folder, file);
      };
      const server = await withTarget(options, async ({ client, server }) => {
        await part('versions', () => versionFiles(client, context));
        await part('objects', () => objectFiles(client, AbortSignal.any([signal, AbortSignal.timeout(60_000)])));
        return server;
      }).catch((error: unknown) => void problems.push(messageOf(error)));
      const cluster = options.name ?? (server === undefined ? undefined : await localClusterOf(server, options.stateRoot));
      if (cluster !== undefined) await part(`local cluster ${cluster}`, () => localFiles(options.stateRoot, cluster, folder, signal));
      await write(folder, { path: 'problems.txt', text: problems.map((problem) => `${problem}\n`).join('') });
      for (const problem of problems) progress.line(`Left out: ${problem}`);
    });
    const archive = join(temporary, 'dump.tar.gz');
    await run('tar', ['-C', temporary, '-czf', archive, name], { signal, timeoutMs: 120_000 });
    await mkdir(dirname(output), { recursive: true });
    await cp(archive, `${output}.tmp`);
    await rename(`${output}.tmp`, output);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  progress.line('Secrets and the text of cloud-init are left out; logs and consoles may still tell names and addresses: look before you pass it on.');
  context.print(output);
}

async function write(folder: string, { path, text }: DumpFile): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), text, { mode: 0o600 });
}

async function versionFiles(client: KubeClient, { projectRoot, signal }: CliContext): Promise<readonly DumpFile[]> {
  const kubernetes = await kubernetesVersionOf(client, AbortSignal.any([signal, AbortSignal.timeout(5000)])).catch(messageOf);
  return [{ path: 'versions.json', text: `${JSON.stringify({ ...await versions(projectRoot, signal), kubernetes }, null, 2)}\n` }];
}

/** Status, record and the state of host and nodes; the logs are copied, since they may be large. */
async function localFiles(stateRoot: string, name: string, folder: string, signal: AbortSignal): Promise<readonly DumpFile[]> {
  const layout = clusterLayout(stateRoot, name);
  const record = await readRecord(layout);
  if ((await readdir(layout.logs).catch(() => [])).length > 0) await cp(layout.logs, join(folder, 'logs'), { recursive: true });
  const recorded = { path: 'cluster.json', text: `${JSON.stringify(record, null, 2)}\n` };
  try {
    const status = await new ControlClient(layout).status(AbortSignal.any([signal, AbortSignal.timeout(10_000)]));
    return [recorded, { path: 'status.txt', text: `${statusText(status)}\n` }, ...await stateFiles(status, record?.index ?? 0, signal)];
  } catch (error) {
    signal.throwIfAborted();
    return [recorded, { path: 'status.txt', text: `${messageOf(error)}\n` }];
  }
}
