import { join } from 'node:path';
import { Argument, type Command } from 'commander';
import { requireRoot } from '../local/cluster.ts';
import { LocalError } from '../local/errors.ts';
import { clusterLayout, defaultCacheRoot } from '../local/layout.ts';
import { addStorage } from '../local/storage/add.ts';
import { storageServers, type StorageServer } from '../local/storage/record.ts';
import { drbdProblem } from '../local/storage/servers/drbd.ts';
import { withClusterOptions, type ClusterOptions } from './cluster-options.ts';
import type { CliContext } from './context.ts';
import { lackOfNfsClient } from '../storage/drivers/nfs/nfs-client.ts';

interface AddOptions extends ClusterOptions {
  readonly cache: string;
  readonly packages: boolean;
}

export function registerStorageAdd(storage: Command, context: CliContext): void {
  withClusterOptions(storage.command('add'))
    .description('run a real server of volumes in the local cluster, to try it out: with its drivers, StorageBackend and StorageClasses')
    .addArgument(new Argument('<kind>', 'what kind of server').choices([...storageServers, 'drbd']))
    .option('--cache <folder>', 'where built programs are kept', defaultCacheRoot)
    .option('--no-packages', 'do not install missing Debian packages')
    .action(async (kind: StorageServer | 'drbd', options: AddOptions) => {
      await requireRoot();
      if (kind === 'drbd') throw new LocalError('NoServer', await drbdProblem());
      await add(kind, options, context);
    });
}

async function add(server: StorageServer, { name, stateRoot, cache, packages }: AddOptions, { projectRoot, environment, progress, print, signal }: CliContext): Promise<void> {
  const { backend, wasThere } = await addStorage({
    layout: clusterLayout(stateRoot, name), server, packages, progress, signal,
    programs: { projectRoot, modules: join(projectRoot, 'deploy/toolchain'), cache, environment, progress, signal },
  });
  const classes = backend.status?.storageClasses ?? [];
  print(`${wasThere ? 'The cluster had it already' : 'The cluster has it now'}: StorageBackend ${server} with ${classes.length === 1 ? 'the StorageClass' : 'the StorageClasses'} ${classes.join(' and ')}`);
  if (server !== 'nfs') return;
  const lacking = await lackOfNfsClient();
  if (lacking !== undefined) progress.line(`Volumes are made, but pods cannot mount them here: ${lacking}`);
}
