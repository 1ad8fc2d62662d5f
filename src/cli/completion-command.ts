import { Argument, type Command } from 'commander';
import { bashCompletion, zshCompletion } from './completion/bash.ts';
import { commandTree, type CommandNode } from './completion/command-tree.ts';
import { fishCompletion } from './completion/fish.ts';
import type { CliContext } from './context.ts';

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } satisfies Readonly<Record<string, (tree: readonly CommandNode[]) => string>>;

export function registerCompletion(program: Command, context: CliContext): void {
  program.command('completion')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(shells)))
    .description('print a script that completes commands, options and names of virtual machines')
    .action((shell: keyof typeof shells) => context.print(shells[shell](commandTree(program))));
}
