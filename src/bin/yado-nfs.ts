import { Command } from 'commander';
import { messageOf } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { ganeshaFolder } from '../storage/drivers/nfs/ganesha-files.ts';
import { GaneshaServer } from '../storage/drivers/nfs/ganesha-server.ts';
import { ManagedSite } from '../storage/drivers/nfs/managed-site.ts';
import { NFS_PORT, parseManaged } from '../storage/drivers/nfs/settings.ts';

interface Options {
  readonly node: string;
  readonly path: string;
  readonly address: string;
  readonly port: string;
  readonly client?: readonly string[];
  readonly logLevel: string;
}

const options = new Command('yado-nfs')
  .description('keeps nfs-ganesha running for the volumes of a StorageBackend of kind nfs that is managed, beside the driver that makes them')
  .requiredOption('--node <name>', 'name of the Node')
  .requiredOption('--path <folder>', 'folder of the volumes, as the StorageBackend says')
  .requiredOption('--address <address>', 'address of this machine at which nodes reach it')
  .option('--port <number>', 'port', String(NFS_PORT))
  .option('--client <network...>', 'addresses and networks that may mount any volume, besides the nodes that have it')
  .option('--log-level <level>', 'trace, debug, info, warn or error', 'info')
  .parse()
  .opts<Options>();

const log = createLog({ level: options.logLevel, fields: { component: 'nfs', node: options.node } });
const stop = Promise.withResolvers<void>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.resolve());

try {
  const { node, path, address, client: clients } = options;
  const settings = parseManaged({ server: address, port: Number(options.port), path, ...(clients === undefined ? {} : { clients }) });
  const site = new ManagedSite(settings, node);
  await using server = await GaneshaServer.start({ folder: ganeshaFolder(settings.path), address, port: settings.port, prepare: () => site.prepare(), log });
  log.info({ address, port: settings.port, log: server.files.logFile }, 'nfs-ganesha serves');
  await stop.promise;
} catch (error) {
  log.fatal({ error: messageOf(error) }, 'nfs-ganesha is not kept any more');
  process.exitCode = 1;
}
