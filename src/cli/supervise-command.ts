import type { Command } from 'commander';
import { createLog } from '../base/log.ts';
import { supervise } from '../local/supervisor.ts';
import { withClusterOptions, type ClusterOptions } from './cluster-options.ts';
import type { CliContext } from './context.ts';

/** The process behind `up`; nobody types it. */
export function registerSupervise(program: Command, context: CliContext): void {
  withClusterOptions(program.command('supervise', { hidden: true })).action(async (options: ClusterOptions) => {
    await supervise({
      stateRoot: options.stateRoot, name: options.name, environment: context.environment, nodeExecutable: context.nodeExecutable,
      log: createLog({ fields: { component: 'supervisor', cluster: options.name } }),
    });
  });
}
