import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { messageOf } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { backends, type BackendKind } from '../storage/backends.ts';
import { CsiDriver } from '../storage/csi/driver.ts';

interface Options {
  readonly backend: BackendKind;
  readonly name?: string;
  readonly node: string;
  readonly socket: string;
  readonly registrationFolder?: string;
  readonly stateDirectory: string;
  readonly settings?: string;
  readonly secretFolder?: string;
  readonly logLevel: string;
}

const VERSION = '0.2.0-dev';

const program = new Command('yado-csi')
  .description('a CSI driver for volumes of one backend')
  .addOption(new Option('--backend <kind>', 'where volumes are made').choices(Object.keys(backends)).makeOptionMandatory())
  .option('--name <name>', "name of the driver (default: the backend's, with .csi.yadokari.dev)")
  .requiredOption('--node <name>', 'name of the Node')
  .option('--socket <path>', 'unix socket to serve on', '/var/lib/kubelet/plugins/yadokari/csi.sock')
  .option('--registration-folder <folder>', "the kubelet's folder for sockets of plugins; without it the kubelet is not told")
  .option('--state-directory <folder>', 'what the driver keeps on this node', '/var/lib/yadokari/volumes')
  .option('--settings <file>', 'JSON: what the StorageBackend says under the name of its kind')
  .option('--secret-folder <folder>', 'a file for each key of the Secret that the StorageBackend names')
  .option('--log-level <level>', 'trace, debug, info, warn or error', 'info')
  .parse();
const options = program.opts<Options>();

const log = createLog({ level: options.logLevel, fields: { component: 'csi', node: options.node } });
const stop = Promise.withResolvers<void>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.resolve());

try {
  await using opened = await backends[options.backend]({
    node: options.node, stateDirectory: options.stateDirectory, log,
    settings: options.settings === undefined ? {} : JSON.parse(await readFile(options.settings, 'utf8')),
    secret: await secretOf(options.secretFolder),
  });
  const { registrationFolder, socket } = options;
  await using _driver = await CsiDriver.start({
    name: options.name ?? `${options.backend}.csi.yadokari.dev`, version: VERSION, backend: opened.backend, socket, log,
    node: { name: options.node, volumes: opened.volumes },
    ...(registrationFolder === undefined ? {} : { registrationFolder }),
  });
  log.info({ socket }, 'the driver serves');
  await stop.promise;
} catch (error) {
  log.fatal({ error: messageOf(error) }, 'the driver ends');
  process.exitCode = 1;
}

async function secretOf(folder: string | undefined): Promise<Readonly<Record<string, string>>> {
  if (folder === undefined) return {};
  // A kubelet keeps its own folders there, whose names begin with two dots.
  const keys = (await readdir(folder)).filter((name) => !name.startsWith('.'));
  return Object.fromEntries(await Promise.all(keys.map(async (key) => [key, await readFile(join(folder, key), 'utf8')])));
}
