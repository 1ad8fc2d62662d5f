import { Command } from 'commander';
import { registerCompletion } from './completion-command.ts';
import { registerConsole } from './console-command.ts';
import type { CliContext } from './context.ts';
import { registerDebug } from './debug-command.ts';
import { registerDemo } from './demo-command.ts';
import { registerDoctor } from './doctor-command.ts';
import { registerDown } from './down-command.ts';
import { registerImage } from './image-command.ts';
import { registerLogs } from './logs-command.ts';
import { registerNode } from './node-command.ts';
import { registerPower } from './power-command.ts';
import { registerStatus } from './status-command.ts';
import { registerStorage } from './storage-command.ts';
import { registerSupervise } from './supervise-command.ts';
import { registerTenant } from './tenant-command.ts';
import { registerTop } from './top-command.ts';
import { registerUp } from './up-command.ts';
import { registerVersion } from './version-command.ts';

/** Every command, each adding itself. */
const commands = [
  registerUp, registerDemo, registerDown, registerStatus, registerNode, registerLogs, registerStorage, registerTenant,
  registerImage, registerPower, registerConsole, registerTop, registerDoctor, registerDebug, registerVersion, registerCompletion, registerSupervise,
] as const;

export function createProgram(context: CliContext): Command {
  const program = new Command(context.programName).description('virtual machines and containers on one Kubernetes');
  for (const register of commands) register(program, context);
  return program;
}
