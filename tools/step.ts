import { spawn } from 'node:child_process';

export interface StepResult {
  readonly title: string;
  readonly passed: number;
  readonly failed: number;
  /** What node's runner says again of the tests that failed, once all have ended. */
  readonly failures: readonly string[];
}

/** A long run is often known by its last lines alone. */
const FAILURE_LINES = 60;

/** Runs a program with its output shown; it counts as one check, or as the tests that node's runner counts. */
export async function runStep(title: string, file: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<StepResult> {
  const started = Date.now();
  console.log(`\n── ${title}`);
  const { promise, resolve } = Promise.withResolvers<number>();
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const counts = { pass: 0, fail: 0 };
  let failures: string[] | undefined;
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    process.stdout.write(chunk);
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
    console.error(`${file} could not be started: ${error.message}`);
    resolve(127);
  });
  child.on('close', (code) => resolve(code ?? 1));
  const code = await promise;
  const tested = counts.pass + counts.fail > 0;
  // A runner that fails without naming a test still counts as a failure.
  const failed = tested ? Math.max(counts.fail, code === 0 ? 0 : 1) : code === 0 ? 0 : 1;
  const passed = tested ? counts.pass : code === 0 ? 1 : 0;
  console.log(`── ${title}: ${failed === 0 ? 'ok' : `exit code ${code}`} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  return { title, passed, failed, failures: failures ?? [] };
}

/** Prints what failed and the closing line; sets the exit code. */
export function conclude(results: readonly StepResult[]): void {
  const total = (pick: 'passed' | 'failed'): number => results.reduce((sum, result) => sum + result[pick], 0);
  for (const { title, failed, failures } of results) if (failed > 0) console.log(['', `failed: ${title}`, ...failures].join('\n'));
  console.log(`\n${total('passed')} passed, ${total('failed')} failed`);
  if (total('failed') > 0 || total('passed') === 0) process.exitCode = 1;
}
