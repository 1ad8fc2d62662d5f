import type { Command } from 'commander';
import { down } from '../local/up.ts';
import { withClusterOptions, type ClusterOptions } from './cluster-options.ts';
import type { CliContext } from './context.ts';

export function registerDown(program: Command, context: CliContext): void {
  withClusterOptions(program.command('down'))
    .description('stop the local cluster; its state is kept for the next up')
    .option('--delete', 'delete its state and its kubeconfig context too', false)
    .action(async (options: ClusterOptions & { readonly delete: boolean }) => {
      await down({ stateRoot: options.stateRoot, name: options.name, deleteState: options.delete, progress: context.progress, signal: context.signal });
      context.progress.line(`Cluster ${options.name} is ${options.delete ? 'deleted' : 'down'}`);
    });
}
