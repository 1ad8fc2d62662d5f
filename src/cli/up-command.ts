import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { ControlClient, type Tie } from '../local/control-client.ts';
import { contextName } from '../local/layout.ts';
import { down } from '../local/up.ts';
import { launchCluster, withLaunchOptions, type LaunchOptions } from './cluster-launch.ts';
import type { CliContext } from './context.ts';

export function registerUp(program: Command, context: CliContext): void {
  withLaunchOptions(program.command('up'))
    .description('start a local Kubernetes with Yadokari on this host')
    .option('--tied', 'stay in the foreground; the cluster and its state go when this ends, however it ends', false)
    .action(async (options: LaunchOptions & { readonly tied: boolean }) => runUp(options, context));
}

async function runUp(options: LaunchOptions & { readonly tied: boolean }, context: CliContext): Promise<void> {
  let tie: Tie | undefined;
  const { layout, kubeconfig } = await launchCluster(options, context, {
    onStarted: async (client) => {
      if (options.tied) tie = await client.tie({ deleteState: true });
    },
  });
  if (kubeconfig !== undefined && existsSync(kubeconfig)) context.progress.line(`kubectl uses it now: context ${contextName(options.name)} in ${kubeconfig}`);
  if (!options.tied) return;
  await stayTied(tie ?? await new ControlClient(layout).tie({ deleteState: true }), context.signal);
  // Taken down here, so that it is gone when the command ends; the tie is for when we are killed.
  await down({ stateRoot: options.stateRoot, name: options.name, deleteState: true, progress: context.progress });
}

/** Returns when the person or the supervisor ends it. */
async function stayTied(tie: Tie, signal: AbortSignal): Promise<void> {
  const interrupted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await Promise.race([interrupted, tie.ended]);
}
