import { copyFile, mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Argument, type Command } from 'commander';
import { formatBytes } from '../base/quantity.ts';
import { buildContainerHostImage, type ContainerHostImageOptions } from '../local/images/container-host-image.ts';
import { buildRelayDisk } from '../local/images/relay-disk.ts';
import { clusterLayout, defaultCacheRoot, defaultClusterName, defaultStateRoot } from '../local/layout.ts';
import type { CliContext } from './context.ts';
import { containerHostManifest, relayManifest } from './image-manifests.ts';

/** Where an agent looks for images of source `file`. */
const importFolder = '/var/lib/yadokari/import';

interface GuestImageKind {
  /** Path of the built image in the cache. */
  readonly build: (options: ContainerHostImageOptions) => Promise<string>;
  readonly extension: string;
  readonly manifest: (name: string, path: string) => string;
}

const kinds: Readonly<Record<string, GuestImageKind>> = {
  'container-host': { build: async (options) => (await buildContainerHostImage(options)).path, extension: 'tar', manifest: containerHostManifest },
  'relay': { build: buildRelayDisk, extension: 'raw', manifest: relayManifest },
};

interface BuildOptions {
  readonly output?: string;
  readonly name?: string;
  readonly cluster: string;
  readonly stateRoot: string;
  readonly cache: string;
}

export function registerImage(program: Command, context: CliContext): void {
  const image = program.command('image').description('images for guests, built from Debian packages');
  image.command('build')
    .description('build an image, put it where nodes of this host find it, and print the objects to apply')
    .addArgument(new Argument('<image>', 'container-host: a guest that is a node; relay: a disk that turns any Debian or Ubuntu guest into one').choices(Object.keys(kinds)))
    .option('--output <file>', `put it here alone (default: ${importFolder} of this host and of the local cluster's nodes)`)
    .option('--name <name>', "the VirtualMachineImage's name (default: the image's)")
    .option('--cluster <name>', 'the local cluster', defaultClusterName)
    .option('--state-root <folder>', 'where local clusters keep their state', defaultStateRoot)
    .option('--cache <folder>', 'where built programs and images are kept', defaultCacheRoot)
    .action((kind: string, options: BuildOptions) => build(kind, options, context));
}

async function build(kindName: string, options: BuildOptions, context: CliContext): Promise<void> {
  const { environment, progress, projectRoot, signal } = context;
  const kind = kinds[kindName];
  if (kind === undefined) throw new TypeError(`unknown image ${kindName}`);
  const { name = kindName, cache } = options;
  const built = await kind.build({ relaySource: join(projectRoot, 'src/bin/yado-relay'), toolchainCache: cache, cacheFolder: join(cache, 'images'), environment, progress, signal });
  const file = `${name}.${kind.extension}`;
  const targets = options.output === undefined ? [join(importFolder, file), ...(await nodesOf(options)).map((node) => join(node, importFolder, file))] : [resolve(options.output)];
  for (const target of targets) {
    await mkdir(dirname(target), { recursive: true });
    await copyFile(built, target);
    progress.line(`${target} ${formatBytes((await stat(target)).size)}`);
  }
  context.print(kind.manifest(name, options.output === undefined ? join(importFolder, file) : resolve(options.output)));
}

/** Folders of the local cluster's nodes; none where there is no such cluster. */
async function nodesOf({ cluster, stateRoot }: BuildOptions): Promise<readonly string[]> {
  const { nodes } = clusterLayout(stateRoot, cluster);
  return (await readdir(nodes).catch(() => [])).map((name) => join(nodes, name));
}
