import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { bundleProgram } from '../local/bundle.ts';
import { requireRoot } from '../local/cluster.ts';
import type { ControlClient } from '../local/control-client.ts';
import { explainFullDisk } from '../local/full-disk.ts';
import { buildContainerImages } from '../local/images/container-images.ts';
import { buildGuestImage } from '../local/images/guest-image.ts';
import { defaultCacheRoot, type ClusterLayout } from '../local/layout.ts';
import { ensurePackages } from '../local/packages.ts';
import { ensureExtraProgram, ensureToolchain } from '../local/toolchain/toolchain.ts';
import { up } from '../local/up.ts';
import { withClusterOptions, type ClusterOptions } from './cluster-options.ts';
import { userKubeconfig, type CliContext } from './context.ts';
import { append, countOfNodes } from './option-values.ts';
import { bridgePlugins, type CniChoice } from '../local/node/foreign-cni.ts';

/** Options of every command that brings a cluster up. */
export interface LaunchOptions extends ClusterOptions {
  readonly nodes: number;
  readonly cni: CniChoice;
  readonly cache: string;
  readonly binaries?: string;
  readonly image: readonly string[];
  readonly manifests: readonly string[];
  readonly kubeconfig?: string | false;
  readonly packages: boolean;
}

export function withLaunchOptions(command: Command): Command {
  return withClusterOptions(command)
    .option('--nodes <count>', 'number of nodes, never fewer than there are', countOfNodes, 1)
    .addOption(new Option('--cni <plugin>', "who connects pods: native, our own network; bridge, the reference plugin, to try guests on another's").choices(['native', 'bridge']).default('native'))
    .option('--cache <folder>', 'where built programs and images are kept', defaultCacheRoot)
    .option('--binaries <folder>', 'take Kubernetes, etcd and coredns from here instead of building them')
    .option('--image <archive>', 'one more OCI archive that every node gets; repeatable', append, [])
    .option('--manifests <path>', 'more YAML to apply, a file or folder; repeatable', append, [])
    .option('--kubeconfig <file>', 'kubeconfig that gets the context (default: as kubectl chooses)')
    .option('--no-kubeconfig', 'leave kubeconfigs alone')
    .option('--no-packages', 'do not install missing Debian packages');
}

export interface LaunchedCluster {
  readonly layout: ClusterLayout;
  /** The person's kubeconfig that has the context now. */
  readonly kubeconfig: string | undefined;
}

/**
 * Installs and builds what is missing, then brings the cluster up. All of it can be repeated. `onStarted` is called
 * when this call starts the cluster, as soon as it can be tied to this process.
 */
export async function launchCluster(options: LaunchOptions, context: CliContext, onStarted?: (client: ControlClient) => Promise<void>): Promise<LaunchedCluster> {
  try {
    // Before anything is installed or built.
    await requireRoot();
    return await launch(options, context, onStarted);
  } catch (error) {
    throw await explainFullDisk(error, [options.cache, options.stateRoot]);
  }
}

async function launch(options: LaunchOptions, context: CliContext, onStarted?: (client: ControlClient) => Promise<void>): Promise<LaunchedCluster> {
  const { progress, projectRoot, environment, signal, nodeExecutable } = context;
  const root = (path: string): string => join(projectRoot, path);
  await ensurePackages({ progress, install: options.packages, environment, signal });
  const images = { cacheFolder: join(options.cache, 'images'), progress, signal };
  const program = (name: string): Promise<string | undefined> => bundleProgram({ projectRoot, entry: root(`src/bin/${name}.ts`), cache: options.cache });
  const building = { modules: root('deploy/toolchain'), cache: options.cache, environment, progress, signal };
  const [tools, guest, containers, ownProgram, operatorProgram, agentProgram] = await Promise.all([
    ensureToolchain({
      ...building, cniSource: root('src/bin/yado-cni'),
      ...(options.binaries === undefined ? {} : { binaries: options.binaries }),
    }),
    buildGuestImage(images),
    buildContainerImages(images),
    program('yado'),
    program('yado-operator'),
    program('yado-agent'),
  ]);
  const plugins = Object.fromEntries(await Promise.all((options.cni === 'bridge' ? bridgePlugins : []).map(async (name) => [name, await ensureExtraProgram(name, building)] as const)));
  const kubeconfig = options.kubeconfig === false ? undefined : options.kubeconfig ?? userKubeconfig(context);
  const layout = await up({
    stateRoot: options.stateRoot,
    cluster: {
      name: options.name, nodes: options.nodes, binaries: tools.binaries, cni: options.cni, cniPlugins: { ...tools.cniPlugins, ...plugins },
      images: [containers.path, ...options.image],
      imports: [guest.path],
      manifests: [root('crds'), root('deploy/manifests'), ...options.manifests],
      ...(operatorProgram === undefined ? {} : { operatorProgram }),
      ...(agentProgram === undefined ? {} : { agentProgram }),
      ...(kubeconfig === undefined ? {} : { userKubeconfig: kubeconfig }),
    },
    supervisor: [nodeExecutable, '--max-semi-space-size=1', ownProgram ?? root('src/bin/yado.ts'), 'supervise', '--name', options.name, '--state-root', options.stateRoot],
    environment, progress, signal,
    ...(onStarted === undefined ? {} : { onStarted }),
  });
  return { layout, kubeconfig };
}
