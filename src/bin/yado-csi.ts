import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { driverName } from '../api/storage-drivers.ts';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { KubeClient } from '../kube/client.ts';
import { missing } from '../kube/api-error.ts';
import { isTrue } from '../kube/conditions.ts';
import { nodes } from '../kube/core.ts';
import { EventRecorder } from '../kube/event-recorder.ts';
import { HttpTransport, loadKubeconfig } from '../kube/transport.ts';
import { BackendSource, type BackendDescription } from '../storage/backend-source.ts';
import { backends, type BackendKind } from '../storage/backends.ts';
import { CsiDriver, type CsiDriverOptions } from '../storage/csi/driver.ts';
import { FencingRecord } from '../storage/fencing-record.ts';
import { reportDriver, reportNode } from '../storage/driver-report.ts';
import type { NodeState } from '../storage/port.ts';
import { answerChecks } from '../storage/storage-check.ts';

interface Options {
  readonly backend: BackendKind;
  readonly name?: string;
  readonly node: string;
  readonly socket: string;
  readonly registrationFolder?: string;
  readonly stateDirectory: string;
  readonly storageBackend?: string;
  readonly report: boolean;
  readonly controllerOnly: boolean;
  readonly socketGroup?: string;
  readonly kubeconfig?: string;
  readonly settings?: string;
  readonly secretFolder?: string;
  readonly logLevel: string;
}

const VERSION = '0.2.0-dev';

const program = new Command('yado-csi')
  .description('a CSI driver for volumes of one backend')
  .addOption(new Option('--backend <kind>', 'where volumes are made').choices(Object.keys(backends)).makeOptionMandatory())
  .option('--storage-backend <name>', 'the StorageBackend that is served; its settings and its Secret are read from the API, and the driver ends when they change')
  .option('--controller-only', 'make volumes, and attach none on this node', false)
  .option('--socket-group <gid>', 'number of the group that may call it, besides root')
  .option('--report', 'say in the status of the StorageBackend whether it is reached', false)
  .option('--kubeconfig <file>', 'how the API is reached (default: as a pod)')
  .option('--name <name>', 'name of the driver (default: of the StorageBackend)')
  .requiredOption('--node <name>', 'name of the Node')
  .option('--socket <path>', 'unix socket to serve on', '/var/lib/kubelet/plugins/yadokari/csi.sock')
  .option('--registration-folder <folder>', "the kubelet's folder for sockets of plugins; without it the kubelet is not told")
  .option('--state-directory <folder>', 'what the driver keeps on this node', '/var/lib/yadokari/volumes')
  .option('--settings <file>', 'without a StorageBackend: JSON of what it would say under the name of its kind')
  .option('--secret-folder <folder>', 'without a StorageBackend: a file for each key of its Secret')
  .option('--log-level <level>', 'trace, debug, info, warn or error', 'info')
  .parse();
const options = program.opts<Options>();

const log = createLog({ level: options.logLevel, fields: { component: 'csi', node: options.node } });
const stop = Promise.withResolvers<void>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.resolve());

try {
  const life = new AbortController();
  const { signal } = life;
  void stop.promise.then(() => life.abort(new Error('the driver is to end')));
  const { storageBackend: backendName, kubeconfig, registrationFolder, socket, backend: kind, node } = options;
  const client = backendName === undefined ? undefined : new KubeClient(new HttpTransport(loadKubeconfig(kubeconfig === undefined ? {} : { kubeconfig })));
  const source = client === undefined || backendName === undefined ? undefined : new BackendSource({ client, name: backendName, kind, clock: systemClock, log });
  const described = source === undefined ? await fromFiles() : await source.wait(signal);
  const name = options.name ?? driverName(kind, backendName ?? kind);
  const inApi = client === undefined ? {} : { stateOf: (id: string) => stateOf(client, id), ...(backendName === undefined ? {} : { api: { client, backend: backendName } }) };
  await using opened = await backends[kind]({ node, attaches: !options.controllerOnly, stateDirectory: options.stateDirectory, log, ...described, ...inApi });
  await using _driver = await CsiDriver.start({
    name, version: VERSION, backend: opened.backend, socket, log, ...(options.controllerOnly ? {} : { node: { name: node, volumes: opened.volumes } }),
    ...(options.socketGroup === undefined ? {} : { socketGroup: Number(options.socketGroup) }),
    ...(registrationFolder === undefined ? {} : { registrationFolder }), ...(client === undefined ? {} : inCluster(client, name)),
  });
  log.info({ socket }, 'the driver serves');
  if (client !== undefined && backendName !== undefined) {
    const common = { client, name: backendName, driver: name, backend: opened.backend, clock: systemClock, log };
    if (options.report) void reportDriver(common, signal);
    const here = options.controllerOnly ? undefined : { name: node, volumes: opened.volumes };
    if (here !== undefined) void reportNode({ ...common, node: here }, signal);
    void answerChecks({ ...common, wide: options.report, ...(here === undefined ? {} : { node: here }) }, signal);
  }
  void source?.untilChanged(described, signal).then(() => {
    log.info({ backend: backendName }, 'the StorageBackend has changed: the driver begins anew');
    stop.resolve();
  }, () => {});
  await stop.promise;
} catch (error) {
  log.fatal({ error: messageOf(error) }, 'the driver ends');
  process.exitCode = 1;
}

/** What a driver in a cluster knows of it, and tells it. */
function inCluster(client: KubeClient, driver: string): Pick<CsiDriverOptions, 'isNode' | 'remember'> {
  const record = new FencingRecord({ client, driver, log, events: new EventRecorder({ client, controller: 'yadokari.dev/csi', instance: options.node, log }) });
  return {
    isNode: async (id) => await stateOf(client, id.split('/')[0] ?? '') !== 'gone',
    remember: (fenced) => record.write(fenced),
  };
}

async function stateOf(client: KubeClient, name: string): Promise<NodeState> {
  const found = await client.get(nodes, { name }).catch(missing);
  return found === undefined ? 'gone' : isTrue(found.status?.conditions, 'Ready') ? 'ready' : 'silent';
}

async function fromFiles(): Promise<BackendDescription> {
  return { settings: options.settings === undefined ? {} : JSON.parse(await readFile(options.settings, 'utf8')), secret: await secretOf(options.secretFolder) };
}

async function secretOf(folder: string | undefined): Promise<Readonly<Record<string, string>>> {
  if (folder === undefined) return {};
  // A kubelet keeps its own folders there, whose names begin with two dots.
  const keys = (await readdir(folder)).filter((name) => !name.startsWith('.'));
  return Object.fromEntries(await Promise.all(keys.map(async (key) => [key, await readFile(join(folder, key), 'utf8')])));
}
