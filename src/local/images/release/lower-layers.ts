import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ProgressStep } from '../../../base/progress.ts';
import { cachedFiles } from '../build-cache.ts';
import { packLayer, type PackedLayer } from '../oci-archive.ts';
import { fetchArchives, type DebianArchive } from './debian.ts';
import { LayerBuilder } from './layer.ts';
import { readNodeRuntime } from './node-runtime.ts';
import { PackageFiles } from './package-files.ts';
import { debianPart } from './parts.ts';
import type { Recipe } from './recipes.ts';
import type { SbomPart } from './sbom.ts';

export interface LowerLayersOptions {
  readonly cacheFolder: string;
  readonly projectRoot: string;
  /** What all images depend on. */
  readonly inputs: readonly string[];
  readonly step: ProgressStep;
  readonly signal?: AbortSignal;
}

export interface LowerLayers {
  readonly layers: readonly PackedLayer[];
  /** The Debian packages in them. */
  readonly parts: readonly SbomPart[];
}

interface Description {
  readonly diffIds: readonly string[];
  readonly parts: readonly SbomPart[];
}

/** The layers of an image that are the same for all of our own sources: from the cache, or made from packages now. */
export async function ensureLowerLayers(recipe: Recipe, archives: readonly DebianArchive[], options: LowerLayersOptions): Promise<LowerLayers> {
  const path = await cachedFiles({
    name: 'layers.json',
    cacheFolder: join(options.cacheFolder, 'layers'),
    keep: 8,
    inputs: [recipe.title, JSON.stringify(archives), ...options.inputs],
    build: async (folder) => {
      const { layers, parts } = await build(recipe, archives, folder, options);
      const description: Description = { diffIds: layers.map(({ diffId }) => diffId), parts };
      return { 'layers.json': JSON.stringify(description), ...Object.fromEntries(layers.map(({ content, diffId }) => [fileOf(diffId), content])) };
    },
  });
  const { diffIds, parts } = JSON.parse(await readFile(path, 'utf8')) as Description;
  return { layers: await Promise.all(diffIds.map(async (diffId) => ({ diffId, content: await readFile(join(dirname(path), fileOf(diffId))) }))), parts };
}

function fileOf(diffId: string): string {
  return `${diffId.slice('sha256:'.length)}.tar.zst`;
}

async function build(recipe: Recipe, archives: readonly DebianArchive[], folder: string, options: LowerLayersOptions): Promise<LowerLayers> {
  const { step, signal, cacheFolder } = options;
  step.update(`fetching ${archives.length} Debian packages`);
  const fetched = await fetchArchives(archives, { cacheFolder, ...(signal === undefined ? {} : { signal }) });
  step.update(`unpacking ${archives.length} packages`);
  const packages = await PackageFiles.unpack(fetched, folder, signal);
  step.update('choosing files');
  const layer = new LayerBuilder(packages, fetched);
  const trees = await recipe.lower({ layer, busybox: packages.find('usr/bin/busybox')?.source ?? '', node: await readNodeRuntime(options.projectRoot) });
  step.update('packing');
  const distribution = distributionOf(packages.text('usr/lib/os-release'));
  return { layers: await Promise.all(trees.map(packLayer)), parts: layer.archives.map((archive) => debianPart(archive, distribution)) };
}

/** Such as `debian-12`. */
function distributionOf(osRelease: string): string {
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]+)`, 'm').exec(osRelease)?.[1] ?? '';
  return `${field('ID')}-${field('VERSION_ID')}`;
}
