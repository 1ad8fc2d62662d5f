import type { Command } from 'commander';
import { YadoError } from '../base/errors.ts';
import { isNotFound } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { isTrue } from '../kube/conditions.ts';
import { replicatedVolumes, type ReplicatedVolume } from '../kube/yadokari.ts';
import { withTarget, withTargetOptions, type TargetOptions } from './cluster-target.ts';
import type { CliContext } from './context.ts';

interface ResolveOptions extends TargetOptions {
  readonly discard: string;
}

export function registerStorageResolve(storage: Command, { print, signal }: CliContext): void {
  withTargetOptions(storage.command('resolve <volume>'))
    .description('decide which node gives up what was written on it alone, where a ReplicatedVolume says SplitBrain or the node with the newer data is lost')
    .requiredOption('--discard <node>', 'the node; what only it has is lost')
    .action(async (name: string, { discard, ...options }: ResolveOptions) => {
      await withTarget(options, async ({ client }) => {
        const { patch, message } = decision(await findVolume(client, name, signal), discard);
        await client.patch(replicatedVolumes, { name }, patch, { signal });
        print(message);
      });
    });
}

async function findVolume(client: KubeClient, name: string, signal: AbortSignal): Promise<ReplicatedVolume> {
  return client.get(replicatedVolumes, { name }, signal).catch((error: unknown) => {
    throw isNotFound(error) ? new YadoError('NotFound', `There is no ReplicatedVolume ${name}: see kubectl get replicatedvolumes`, { disposition: 'stalled' }) : error;
  });
}

/** What gives up the changes of a node, as a merge patch. Throws YadoError `NotAReplica`, and `NothingToDecide` where nodes come to terms by themselves. */
export function decision({ metadata: { name, resourceVersion }, spec, status }: ReplicatedVolume, node: string): { readonly patch: object; readonly message: string } {
  const holders = spec.replicas.filter(({ diskless }) => diskless !== true).map((replica) => replica.node);
  if (!holders.includes(node)) throw new YadoError('NotAReplica', `${node} has no data of ${name}; ${holders.join(' and ')} have`, { disposition: 'stalled' });
  const others = holders.filter((other) => other !== node);
  const isNewer = !spec.fence.outdated.includes(node) && others.some((other) => spec.fence.outdated.includes(other));
  if (!isTrue(status?.conditions, 'SplitBrain') && !isNewer) throw new YadoError('NothingToDecide', `${node} has nothing of ${name} that ${others.join(' and ')} would not get by itself`, { disposition: 'stalled' });
  // What was looked at before is what is decided on.
  const patch = { metadata: { resourceVersion }, spec: { discard: node } };
  return { patch, message: `${name} goes on with what ${others.join(' and ')} has; what was written on ${node} alone is given up once that is reached` };
}
