import { join } from 'node:path';
import { runStep, type StepResult } from './step.ts';

const root = join(import.meta.dirname, '..');
const tool = (name: string): string => join(root, 'node_modules/.bin', name);

/** Everything that can be said of the sources without a cluster: types, lint, layers, dead code, generated files, unit tests. */
export async function runChecks(): Promise<readonly StepResult[]> {
  process.chdir(root);
  return [
    await runStep('types', tool('tsc'), ['--noEmit']),
    await runStep('lint', tool('oxlint'), ['--type-aware', '--deny-warnings', 'src', 'test', 'tools']),
    await runStep('layers', process.execPath, ['tools/check-layers.ts']),
    await runStep('dead code', tool('knip'), []),
    await runStep('generated files', process.execPath, ['tools/generate-crds.ts', '--check']),
    await runStep('unit tests', process.execPath, ['--test', '--test-timeout=60000', '--test-reporter=spec', 'src/**/*.test.ts']),
  ];
}
