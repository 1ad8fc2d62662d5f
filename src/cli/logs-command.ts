import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { LocalError } from '../local/errors.ts';
import { clusterLayout } from '../local/layout.ts';
import { withClusterOptions, type ClusterOptions } from './cluster-options.ts';
import type { CliContext } from './context.ts';
import { namesHint } from './near-names.ts';

export function registerLogs(program: Command, context: CliContext): void {
  withClusterOptions(program.command('logs <component>'))
    .description('print the log of a process of the local cluster, such as supervisor, kube-apiserver or n1/kubelet')
    .option('-f, --follow', 'go on with what comes', false)
    .option('-n, --lines <count>', 'number of lines', '200')
    .action(async (component: string, options: ClusterOptions & { readonly follow: boolean; readonly lines: string }) => {
      const { logs } = clusterLayout(options.stateRoot, options.name);
      const file = join(logs, `${component}.log`);
      if (!existsSync(file) || component.includes('..')) {
        const names = (await readdir(logs, { recursive: true }).catch(() => [])).filter((name) => name.endsWith('.log')).map((name) => name.slice(0, -4));
        throw new LocalError('NoSuchLog', `There is no log of ${component}. ${namesHint(component, names.sort())}`);
      }
      // By name: tail goes on when the file is turned over.
      const tail = spawn('tail', ['-n', options.lines, ...(options.follow ? ['-F'] : []), file], { stdio: ['ignore', 'inherit', 'inherit'], signal: context.signal });
      await new Promise<void>((resolve) => {
        tail.once('error', () => resolve());
        tail.once('exit', () => resolve());
      });
    });
}
