import type { Progress } from '../base/progress.ts';
import type { ConsoleTerminal } from './console-session.ts';

/** What commands get from the program's entry point, which alone reads argv, the environment and the terminal. */
export interface CliContext {
  /** The folder of package.json. */
  readonly projectRoot: string;
  readonly nodeExecutable: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly homeFolder: string;
  readonly progress: Progress;
  /** Writes a line of results to standard output. */
  readonly print: (text: string) => void;
  /** What the program exits with when the command has ended without an error. */
  readonly setExitCode: (code: number) => void;
  /** Standard input and output as streams, for consoles. */
  readonly terminal: ConsoleTerminal;
  /** How the person calls the program: `yado`, or `kubectl yado`. */
  readonly programName: string;
  /** Aborts when the person presses Ctrl-C. */
  readonly signal: AbortSignal;
}

/** The kubeconfig that kubectl would write to. */
export function userKubeconfig({ environment, homeFolder }: CliContext): string {
  const first = (environment['KUBECONFIG'] ?? '').split(':').find((path) => path !== '');
  return first ?? `${homeFolder}/.kube/config`;
}
