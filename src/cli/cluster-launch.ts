import { basename, join, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { bundleProgram } from '../local/bundle.ts';
import { requireRoot } from '../local/cluster.ts';
import type { ControlClient } from '../local/control-client.ts';
import { installChart } from '../local/chart.ts';
import { kubeconfigPath } from '../local/control/commands.ts';
import { LocalError } from '../local/errors.ts';
import { explainFullDisk } from '../local/full-disk.ts';
import { buildContainerHostImage } from '../local/images/container-host-image.ts';
import { buildContainerImages } from '../local/images/container-images.ts';
import { buildGuestImage } from '../local/images/guest-image.ts';
import { ensureReleaseImages } from '../local/images/release/release-images.ts';
import { clusterLayout, defaultCacheRoot, type ClusterLayout } from '../local/layout.ts';
import { ensurePackages } from '../local/packages.ts';
import { ensureExtraProgram, ensureToolchain } from '../local/toolchain/toolchain.ts';
import { serverPackages, storagePackages } from '../local/storage/packages.ts';
import { ensureStorage } from '../local/storage/programs.ts';
import { storageKinds, type StorageKind } from '../local/storage/record.ts';
import { readRecord, type ClusterRecord } from '../local/record.ts';
import { up } from '../local/up.ts';
import { withClusterOptions, type ClusterOptions } from './cluster-options.ts';
import { userKubeconfig, type CliContext } from './context.ts';
import { append, appendChoice, countOfNodes, seconds } from './option-values.ts';
import { bridgePlugins, type CniChoice } from '../local/node/foreign-cni.ts';

/** Options of every command that brings a cluster up. */
export interface LaunchOptions extends ClusterOptions {
  readonly nodes: number;
  readonly cni?: CniChoice;
  readonly chart: boolean;
  readonly cache: string;
  readonly binaries?: string;
  readonly image: readonly string[];
  readonly import: readonly string[];
  readonly manifests: readonly string[];
  readonly storage: readonly StorageKind[];
  readonly kubeconfig?: string | false;
  readonly packages: boolean;
  readonly timeout: number;
}

export function withLaunchOptions(command: Command): Command {
  return withClusterOptions(command)
    .option('--nodes <count>', 'number of nodes, never fewer than there are', countOfNodes, 1)
    .addOption(new Option('--cni <plugin>', "who connects pods: native, our own network; bridge, the reference plugin, to try guests on another's (default: native)").choices(['native', 'bridge']))
    .option('--chart', 'install through the Helm chart, as on a cluster of your own; implies --cni bridge', false)
    .option('--cache <folder>', 'where built programs and images are kept', defaultCacheRoot)
    .option('--binaries <folder>', 'take Kubernetes, etcd and coredns from here instead of building them')
    .option('--image <archive>', 'one more OCI archive that every node gets; repeatable', append, [])
    .option('--import <file>', 'one more file below /var/lib/yadokari/import of every node, for images of source file; repeatable', append, [])
    .option('--manifests <path>', 'more YAML to apply, a file or folder; repeatable', append, [])
    .addOption(new Option('--storage <kind>', 'volumes of this kind; repeatable. local: files of the nodes; nfs, ceph: where the StorageBackend of that name says').argParser(appendChoice(storageKinds)).default([], 'none'))
    .option('--kubeconfig <file>', 'kubeconfig that gets the context (default: as kubectl chooses)')
    .option('--no-kubeconfig', 'leave kubeconfigs alone')
    .option('--no-packages', 'do not install missing Debian packages')
    .option('--timeout <seconds>', 'how long its nodes may take to be ready', seconds, 120);
}

export interface LaunchWishes {
  /** Names of files that the nodes shall have for images, beside the tiny guest's; those of a cluster that runs already stay as they are. */
  readonly imports?: ReadonlySet<string>;
  /** Called when this call starts the cluster, as soon as it can be tied to this process. */
  readonly onStarted?: (client: ControlClient) => Promise<void>;
}

export interface LaunchedCluster {
  readonly layout: ClusterLayout;
  /** The person's kubeconfig that has the context now. */
  readonly kubeconfig: string | undefined;
}

/**
 * Installs and builds what is missing, then brings the cluster up. All of it can be repeated.
 */
export async function launchCluster(options: LaunchOptions, context: CliContext, wishes: LaunchWishes = {}): Promise<LaunchedCluster> {
  try {
    // Before anything is installed or built.
    await requireRoot();
    return await launch(options, context, wishes);
  } catch (error) {
    throw await explainFullDisk(error, [options.cache, options.stateRoot]);
  }
}

async function launch(options: LaunchOptions, context: CliContext, { imports = new Set(), onStarted }: LaunchWishes): Promise<LaunchedCluster> {
  const { progress, projectRoot, environment, signal, nodeExecutable } = context;
  const root = (path: string): string => join(projectRoot, path);
  const before = await readRecord(clusterLayout(options.stateRoot, options.name));
  const cni = cniOf(options, before);
  // What a cluster has it keeps, whether it is named again or not.
  const kinds = storageKinds.filter((kind) => options.storage.includes(kind) || before?.storage?.kinds.includes(kind) === true);
  const servers = before?.storage?.servers ?? [];
  await ensurePackages({ progress, install: options.packages, extra: [...storagePackages(kinds), ...serverPackages(servers)], environment, signal });
  const images = { cacheFolder: join(options.cache, 'images'), progress, signal };
  const building = { modules: root('deploy/toolchain'), cache: options.cache, environment, progress, signal };
  const [tools, guest, containers, host, ownProgram, installation] = await Promise.all([
    ensureToolchain({ ...building, cniSource: root('src/bin/yado-cni'), ...(options.binaries === undefined ? {} : { binaries: options.binaries }) }),
    buildGuestImage(images),
    buildContainerImages(images),
    imports.has('container-host.tar') ? buildContainerHostImage({ ...images, relaySource: root('src/bin/yado-relay'), toolchainCache: options.cache, environment }) : undefined,
    bundleProgram({ projectRoot, entry: root('src/bin/yado.ts'), cache: options.cache }),
    options.chart ? chartParts(options, context) : processParts(options, context),
  ]);
  const plugins = Object.fromEntries(await Promise.all((cni === 'bridge' ? bridgePlugins : []).map(async (name) => [name, await ensureExtraProgram(name, building)] as const)));
  const helm = options.chart ? await ensureExtraProgram('helm', building) : undefined;
  const storage = kinds.length === 0 ? undefined : await ensureStorage({ kinds, servers }, { ...building, projectRoot });
  const kubeconfig = options.kubeconfig === false ? undefined : options.kubeconfig ?? userKubeconfig(context);
  const layout = await up({
    stateRoot: options.stateRoot,
    cluster: {
      name: options.name, nodes: options.nodes, binaries: tools.binaries, cni, cniPlugins: { ...tools.cniPlugins, ...plugins },
      imports: [guest.path, ...(host === undefined ? [] : [host.path]), ...(imports.has(basename(containers.path)) ? [containers.path] : []), ...options.import.map((file) => resolve(file))],
      ...installation,
      images: [containers.path, ...installation.images, ...options.image],
      manifests: [...installation.manifests, ...options.manifests],
      ...(storage === undefined ? {} : { storage }),
      ...(kubeconfig === undefined ? {} : { userKubeconfig: kubeconfig }),
    },
    supervisor: [nodeExecutable, '--max-semi-space-size=1', ownProgram ?? root('src/bin/yado.ts'), 'supervise', '--name', options.name, '--state-root', options.stateRoot],
    environment, progress, signal, timeoutMs: options.timeout * 1000,
    ...(onStarted === undefined ? {} : { onStarted }),
  });
  if (helm !== undefined) await installChart({ helm, chart: root('deploy/helm/yadokari'), kubeconfig: kubeconfigPath(layout, 'admin'), values: [], environment, progress, signal });
  return { layout, kubeconfig };
}

/** What of a cluster is ours: programs that run as processes, or images for the chart. */
type Installation = Pick<ClusterRecord, 'images' | 'manifests' | 'operatorProgram' | 'agentProgram'>;

async function processParts({ cache }: LaunchOptions, { projectRoot }: CliContext): Promise<Installation> {
  const program = (name: string): Promise<string | undefined> => bundleProgram({ projectRoot, entry: join(projectRoot, `src/bin/${name}.ts`), cache });
  const [operatorProgram, agentProgram] = await Promise.all([program('yado-operator'), program('yado-agent')]);
  return {
    images: [],
    manifests: [join(projectRoot, 'crds'), join(projectRoot, 'deploy/manifests')],
    ...(operatorProgram === undefined ? {} : { operatorProgram }),
    ...(agentProgram === undefined ? {} : { agentProgram }),
  };
}

async function chartParts({ cache }: LaunchOptions, { projectRoot, environment, progress, signal }: CliContext): Promise<Installation> {
  const images = await ensureReleaseImages({ cache, root: projectRoot, environment, progress, signal, only: ['operator', 'agent', 'pause'] });
  return { images: Object.values(images).map(({ archive }) => archive), manifests: [] };
}

/** Throws when the cluster is there and was made otherwise: neither CNI nor installation can change under running workloads. */
function cniOf({ name, chart, cni = chart ? 'bridge' : 'native' }: LaunchOptions, before: ClusterRecord | undefined): CniChoice {
  if (chart && cni === 'native') throw new LocalError('BadOptions', 'The chart brings no network of its own to a local cluster: leave --cni out, or say --cni bridge.');
  if (before === undefined) return cni;
  const [was, installed] = [before.cni ?? 'native', before.operatorProgram === undefined];
  if (was !== cni || installed !== chart) {
    const made = `${installed ? '--chart ' : ''}--cni ${was}`;
    throw new LocalError('OtherCluster', `Cluster ${name} was made with ${made}: say so again, take another --name, or begin anew with \`yado down --delete --name ${name}\`.`);
  }
  return cni;
}
