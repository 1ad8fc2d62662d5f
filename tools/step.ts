import { spawn } from 'node:child_process';
import { cpus } from 'node:os';

export interface StepResult {
  readonly title: string;
  readonly passed: number;
  readonly failed: number;
  /** What node's runner says again of the tests that failed, once all have ended. */
  readonly failures: readonly string[];
  readonly seconds: number;
  /** Processors that this machine used meanwhile, for whatever. */
  readonly processors: number;
}

/** A long run is often known by its last lines alone. */
const FAILURE_LINES = 60;
const LONGEST = 25;

export interface StepOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Its output is shown as one piece at its end, since another runs meanwhile. Default false. */
  readonly beside?: boolean;
}

/** Runs a program with its output shown; it counts as one check, or as the tests that node's runner counts. */
export async function runStep(title: string, file: string, args: readonly string[], { env = process.env, beside = false }: StepOptions = {}): Promise<StepResult> {
  const [started, busy] = [Date.now(), busyMs()];
  const shown: string[] = [];
  const show = (text: string): void => void (beside ? shown.push(text) : process.stdout.write(text));
  show(`\n── ${title}\n`);
  const { promise, resolve } = Promise.withResolvers<number>();
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stderr.setEncoding('utf8').on('data', show);
  const counts = { pass: 0, fail: 0 };
  let failures: string[] | undefined;
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    show(chunk);
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const count = /^(?:ℹ|#) (pass|fail) (\d+)/.exec(line);
      if (count !== null) counts[count[1] as 'pass' | 'fail'] += Number(count[2]);
      if (line.startsWith('✖ failing tests:')) failures = [];
      else if (failures !== undefined && failures.length < FAILURE_LINES && line !== '') failures.push(line);
    }
  });
  child.on('error', (error) => {
    show(`${file} could not be started: ${error.message}\n`);
    resolve(127);
  });
  child.on('close', (code) => resolve(code ?? 1));
  const code = await promise;
  const tested = counts.pass + counts.fail > 0;
  // A runner that fails without naming a test still counts as a failure.
  const failed = tested ? Math.max(counts.fail, code === 0 ? 0 : 1) : code === 0 ? 0 : 1;
  const passed = tested ? counts.pass : code === 0 ? 1 : 0;
  const seconds = (Date.now() - started) / 1000;
  show(`── ${title}: ${failed === 0 ? 'ok' : `exit code ${code}`} (${seconds.toFixed(1)} s)\n`);
  if (beside) process.stdout.write(shown.join(''));
  return { title, passed, failed, failures: failures ?? [], seconds, processors: (busyMs() - busy) / 1000 / seconds };
}

function busyMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
}

/** Prints what took long, what failed and the closing line; sets the exit code. */
export function conclude(results: readonly StepResult[]): void {
  const longest = results.toSorted((one, other) => other.seconds - one.seconds).slice(0, LONGEST);
  if (results.length > 1) console.log(['', 'what took longest, and how many processors:', ...longest.map(({ title, seconds, processors }) => `${seconds.toFixed(0).padStart(6)} s ${processors.toFixed(1)}  ${title}`)].join('\n'));
  const total = (pick: 'passed' | 'failed'): number => results.reduce((sum, result) => sum + result[pick], 0);
  for (const { title, failed, failures } of results) if (failed > 0) console.log(['', `failed: ${title}`, ...failures].join('\n'));
  console.log(`\n${total('passed')} passed, ${total('failed')} failed`);
  if (total('failed') > 0 || total('passed') === 0) process.exitCode = 1;
}
