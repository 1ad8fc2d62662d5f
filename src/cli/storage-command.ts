import type { Command } from 'commander';
import type { CliContext } from './context.ts';
import { registerStorageAdd } from './storage-add-command.ts';
import { registerStorageCheck } from './storage-check-command.ts';
import { registerStorageResolve } from './storage-resolve-command.ts';

export function registerStorage(program: Command, context: CliContext): void {
  const storage = program.command('storage').description('where volumes are kept');
  registerStorageAdd(storage, context);
  registerStorageCheck(storage, context);
  registerStorageResolve(storage, context);
}
