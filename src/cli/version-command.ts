import type { Command } from 'commander';
import { kubernetesVersionOf } from './cluster-version.ts';
import type { CliContext } from './context.ts';
import { formatTable } from './table.ts';
import { withTarget, withTargetOptions, type TargetOptions } from './cluster-target.ts';
import { versions } from './versions.ts';

export function registerVersion(program: Command, context: CliContext): void {
  withTargetOptions(program.command('version'))
    .description('print the versions of yado, of what it runs on, and of the cluster if one answers')
    .option('--json', 'as JSON', false)
    .action(async (options: TargetOptions & { readonly json: boolean }) => {
      const signal = AbortSignal.any([context.signal, AbortSignal.timeout(20_000)]);
      const [own, kubernetes] = await Promise.all([
        versions(context.projectRoot, signal),
        withTarget(options, ({ client }) => kubernetesVersionOf(client, AbortSignal.any([signal, AbortSignal.timeout(3000)]))).catch(() => 'no cluster answers'),
      ]);
      const all = { ...own, kubernetes };
      context.print(options.json ? JSON.stringify(all, null, 2) : formatTable(Object.entries(all)));
    });
}
