import { join } from 'node:path';
import { Command, Option } from 'commander';
import { messageOf } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { CsiDriver } from '../storage/csi/driver.ts';
import { LocalBackend } from '../storage/drivers/local/backend.ts';
import { LoopDevices } from '../storage/drivers/local/loop-devices.ts';
import { LocalNodeVolumes } from '../storage/drivers/local/node.ts';

interface Options {
  readonly backend: 'local';
  readonly name?: string;
  readonly node: string;
  readonly socket: string;
  readonly registrationFolder?: string;
  readonly stateDirectory: string;
  readonly logLevel: string;
}

const VERSION = '0.2.0-dev';

const program = new Command('yado-csi')
  .description('a CSI driver for volumes of one backend')
  .addOption(new Option('--backend <kind>', 'local: files of this node').choices(['local']).makeOptionMandatory())
  .option('--name <name>', "name of the driver (default: the backend's, with .csi.yadokari.dev)")
  .requiredOption('--node <name>', 'name of the Node')
  .option('--socket <path>', 'unix socket to serve on', '/var/lib/kubelet/plugins/yadokari/csi.sock')
  .option('--registration-folder <folder>', "the kubelet's folder for sockets of plugins; without it the kubelet is not told")
  .option('--state-directory <folder>', 'where local volumes lie', '/var/lib/yadokari/volumes')
  .option('--log-level <level>', 'trace, debug, info, warn or error', 'info')
  .parse();
const options = program.opts<Options>();

const log = createLog({ level: options.logLevel, fields: { component: 'csi', node: options.node } });
const stop = Promise.withResolvers<void>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.resolve());

try {
  const loops = new LoopDevices();
  const backend = new LocalBackend({ folder: join(options.stateDirectory, 'local'), node: options.node, loops });
  await backend.probe();
  const { registrationFolder, socket } = options;
  await using _driver = await CsiDriver.start({
    name: options.name ?? `${options.backend}.csi.yadokari.dev`, version: VERSION, backend, socket, log,
    node: { name: options.node, volumes: new LocalNodeVolumes(backend, loops) },
    ...(registrationFolder === undefined ? {} : { registrationFolder }),
  });
  log.info({ socket }, 'the driver serves');
  await stop.promise;
} catch (error) {
  log.fatal({ error: messageOf(error) }, 'the driver ends');
  process.exitCode = 1;
}
