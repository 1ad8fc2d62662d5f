import type { Command } from 'commander';
import { defaultClusterName, defaultStateRoot } from '../local/layout.ts';

/** Options of every command on a local cluster. */
export interface ClusterOptions {
  readonly name: string;
  readonly stateRoot: string;
}

export function withClusterOptions(command: Command): Command {
  return command
    .option('--name <name>', 'the local cluster', defaultClusterName)
    .option('--state-root <folder>', 'where local clusters keep their state', defaultStateRoot);
}
