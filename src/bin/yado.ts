#!/bin/sh
':' //; here=$(dirname "$(readlink -f "$0")"); node="$here/../../node_modules/.bin/node"; [ -x "$node" ] || node=node; YADO_CALLED_AS=$0; export YADO_CALLED_AS; exec "$node" "$here/yado.ts" "$@"
// The line above is for the shell alone: it prefers the Node.js that came with this package, since the system's may be too old to read TypeScript.
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { messageOf, YadoError } from '../base/errors.ts';
import type { CliContext } from '../cli/context.ts';
import { createProgram } from '../cli/program.ts';
import { terminalProgress } from '../cli/terminal-progress.ts';

const interrupt = new AbortController();
// The supervisor handles signals itself, and in its own order.
if (process.argv[2] !== 'supervise') {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interrupt.abort(new YadoError('Interrupted', 'interrupted')));
}

// kubectl runs its plugin kubectl-yado for `kubectl yado`. The shell's line says how it was called; our children need not know.
const calledAs = basename(process.env['YADO_CALLED_AS'] ?? process.argv[1] ?? 'yado');
delete process.env['YADO_CALLED_AS'];

const context: CliContext = {
  projectRoot: join(import.meta.dirname, '../..'),
  nodeExecutable: process.execPath,
  environment: process.env,
  homeFolder: homedir(),
  progress: terminalProgress(process.stderr),
  print: (text) => void process.stdout.write(`${text}\n`),
  setExitCode: (code) => void (process.exitCode = code),
  terminal: { input: process.stdin, output: process.stdout },
  programName: calledAs.startsWith('kubectl-') ? 'kubectl yado' : 'yado',
  signal: interrupt.signal,
};

try {
  await createProgram(context).parseAsync(process.argv);
} catch (error) {
  process.stderr.write(`yado: ${messageOf(error)}\n`);
  process.exitCode = interrupt.signal.aborted ? 130 : 1;
}
