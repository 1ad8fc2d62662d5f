import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError, run } from '../base/process.ts';
import type { Progress } from '../base/progress.ts';
import { LocalError } from './errors.ts';

/** Where the chart and its operator live. */
export const chartNamespace = 'yadokari-system';

export interface ChartOptions {
  /** Helm 3. */
  readonly helm: string;
  /** Folder of the chart: deploy/helm/yadokari. */
  readonly chart: string;
  readonly kubeconfig: string;
  /** As after `helm --set`. */
  readonly values: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

/** Installs the chart or upgrades to it, and waits until operator and agents are ready. Throws LocalError `ChartFailed` with what Helm said. */
export async function installChart(options: ChartOptions): Promise<void> {
  const { helm, chart, kubeconfig, values, environment, progress, signal } = options;
  // Helm remembers nothing that we need, and a person's own settings are none of ours.
  const home = await mkdtemp(join(tmpdir(), 'yado-helm-'));
  const env = { ...environment, HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home, HELM_DRIVER: 'secret' };
  const args = ['upgrade', '--install', 'yadokari', chart, '--namespace', chartNamespace, '--create-namespace', '--kubeconfig', kubeconfig, '--wait', '--timeout', '180s', ...values.flatMap((value) => ['--set', value])];
  try {
    await progress.step('Installing the chart', () => run(helm, args, { env, timeoutMs: 240_000, ...(signal === undefined ? {} : { signal }) }));
  } catch (cause) {
    signal?.throwIfAborted();
    if (!(cause instanceof CommandError)) throw cause;
    throw new LocalError('ChartFailed', `The chart could not be installed: ${cause.stderr.trim()}\nLook at \`kubectl -n ${chartNamespace} get pods,events\`; the same command can be repeated.`, { cause });
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}
