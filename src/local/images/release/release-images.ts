import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Progress, ProgressStep } from '../../../base/progress.ts';
import { bundleProgram } from '../../bundle.ts';
import { LocalError } from '../../errors.ts';
import { cachedFiles } from '../build-cache.ts';
import { buildGoProgram } from '../go-program.ts';
import { FileTree } from '../file-tree.ts';
import { pauseImage } from '../container-images.ts';
import { ociArchive, type OciImage } from '../oci-archive.ts';
import { resolvePackages, type DebianArchive } from './debian.ts';
import { ensureLowerLayers } from './lower-layers.ts';
import { nodePart } from './node-runtime.ts';
import { npmParts } from './parts.ts';
import { agentRecipe, csiRecipe, libvirtRecipe, nfsRecipe, operatorRecipe, type Recipe } from './recipes.ts';
import { spdxDocument, type SbomPart } from './sbom.ts';

export const releaseImageNames = ['operator', 'agent', 'csi', 'nfs', 'libvirt', 'pause'] as const;
export type ReleaseImageName = (typeof releaseImageNames)[number];

export interface ReleaseImage {
  /** OCI image layout as a tar archive, for `ctr -n k8s.io images import`. */
  readonly archive: string;
  /** Full name with tag. */
  readonly reference: string;
  /** Of the manifest: `sha256:…`. */
  readonly digest: string;
  /** SPDX document; the same is in the image under /usr/share/sbom. */
  readonly sbom: string;
}

export interface ReleaseImageOptions<Name extends ReleaseImageName = ReleaseImageName> {
  /** Where images, packages and programs are kept; may be shared. */
  readonly cache: string;
  /** Folder of the project. */
  readonly root: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly progress: Progress;
  /** Default: all. */
  readonly only?: readonly Name[];
  /** What comes before `/operator:0.1.0`. Default `localhost/yadokari`. */
  readonly repository?: string;
  readonly signal?: AbortSignal;
}

const recipes: Readonly<Record<Exclude<ReleaseImageName, 'pause'>, Recipe>> = { operator: operatorRecipe, agent: agentRecipe, csi: csiRecipe, nfs: nfsRecipe, libvirt: libvirtRecipe };

/** The tag that clusters of yado know the pause image by. */
const pauseTag = '1';

/** Builds the product's images from these sources and Debian's packages, or finds those built before. The same sources and packages give the same digests. */
export async function ensureReleaseImages<Name extends ReleaseImageName = ReleaseImageName>(options: ReleaseImageOptions<Name>): Promise<Readonly<Record<Name, ReleaseImage>>> {
  if (process.arch !== 'x64') throw new LocalError('ArchitectureUnsupported', 'Images can be built on amd64 hosts only.');
  const { version } = JSON.parse(await readFile(join(options.root, 'package.json'), 'utf8')) as { readonly version: string };
  const entries: [string, ReleaseImage][] = [];
  for (const name of options.only ?? releaseImageNames) entries.push([name, await ensure({ ...options, name, version, repository: options.repository ?? 'localhost/yadokari' })]);
  return Object.fromEntries(entries) as Record<Name, ReleaseImage>;
}

interface Job extends Omit<ReleaseImageOptions, 'only' | 'repository'> {
  readonly name: ReleaseImageName;
  readonly version: string;
  readonly repository: string;
}

async function ensure(job: Job): Promise<ReleaseImage> {
  const { name, version, repository } = job;
  const reference = `${repository}/${name}:${version}`;
  const recipe = name === 'pause' ? undefined : recipes[name];
  const archives = recipe === undefined ? [] : await resolvePackages(recipe.packages, { ...job, cacheFolder: cacheFolder(job) });
  const program = recipe?.entry === undefined ? undefined : await readProgram(recipe.entry, job);
  const cniPlugin = recipe?.hasCniPlugin === true ? await readGoProgram('yado-cni', job) : undefined;
  const made: Inputs = { archives, program, cniPlugin };
  const archive = await cachedFiles({
    name: `${name}.tar`,
    cacheFolder: join(cacheFolder(job), name),
    keep: 5,
    inputs: [reference, await sourcesOfImages(), JSON.stringify([archives, program]), cniPlugin?.content.toString('base64') ?? ''],
    build: () => job.progress.step(`Building the ${name} image`, async (step) => {
      const { image, sbom } = recipe === undefined ? pauseFiles(job, reference) : await buildImage(recipe, made, { ...job, reference, step });
      step.update('packing');
      const { content, digests } = await ociArchive([image]);
      return { [`${name}.tar`]: content, [`${name}.spdx.json`]: sbom, 'digest': digests[0] ?? '' };
    }),
  });
  return { archive, reference, digest: await readFile(join(dirname(archive), 'digest'), 'utf8'), sbom: archive.replace(/tar$/, 'spdx.json') };
}

function cacheFolder({ cache }: Job): string {
  return join(cache, 'images', 'release');
}

/** Whatever is built here depends on how. */
async function sourcesOfImages(): Promise<string> {
  const folder = join(import.meta.dirname, '..');
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts')).map((entry) => join(entry.parentPath, entry.name)).sort();
  return (await Promise.all(files.map((file) => readFile(file, 'utf8')))).join('\0');
}

/** One of our programs as a bundle. */
interface Program {
  readonly content: string;
  /** The modules in it, and the Node.js that runs it. */
  readonly parts: readonly SbomPart[];
}

async function readProgram(name: string, { root, cache }: Job): Promise<Program> {
  const bundle = await bundleProgram({ projectRoot: root, entry: join(root, 'src/bin', `${name}.ts`), cache });
  if (bundle === undefined) throw new LocalError('ProgramMissing', `${root} has no src/bin/${name}.ts; images are built from a whole checkout.`);
  const content = (await readFile(bundle, 'utf8')).replace(/^\/\/# sourceMappingURL=.*\n?/m, '');
  return { content, parts: [await nodePart(root), ...(await npmParts(bundle, root))] };
}

interface GoContent {
  readonly content: Buffer;
  readonly goVersion: string;
}

async function readGoProgram(name: string, job: Job): Promise<GoContent> {
  const { path, goVersion } = await buildGoProgram({ ...job, source: join(job.root, 'src/bin', name), cacheFolder: join(cacheFolder(job), name) });
  return { content: await readFile(path), goVersion };
}

interface Inputs {
  readonly archives: readonly DebianArchive[];
  readonly program: Program | undefined;
  readonly cniPlugin: GoContent | undefined;
}

interface Work extends Job {
  readonly reference: string;
  readonly step: ProgressStep;
}

interface BuiltImage {
  readonly image: OciImage;
  readonly sbom: string;
}

async function buildImage(recipe: Recipe, { archives, program, cniPlugin }: Inputs, job: Work): Promise<BuiltImage> {
  const { step, reference, root, signal } = job;
  const inputs = [await sourcesOfImages(), JSON.stringify(await nodePart(root))];
  const lower = await ensureLowerLayers(recipe, archives, { cacheFolder: cacheFolder(job), projectRoot: root, inputs, step, ...(signal === undefined ? {} : { signal }) });
  const sbom = spdxDocument(imagePart(job), [
    ...lower.parts,
    ...(program?.parts ?? []),
    ...(cniPlugin === undefined ? [] : [{ name: 'stdlib', version: cniPlugin.goVersion, purl: `pkg:golang/stdlib@${cniPlugin.goVersion}` }]),
  ]);
  const upper = new FileTree().file(sbomPath(job), sbom).file('usr/share/doc/yadokari/copyright', await readFile(join(root, 'LICENSE')));
  await recipe.upper(upper, { program: program?.content ?? '', cniPlugin: cniPlugin?.content ?? Buffer.alloc(0) });
  return { image: { names: [reference], layers: [...lower.layers, upper], annotations: annotations(job, recipe.title), ...recipe.config }, sbom };
}

function pauseFiles(job: Job, reference: string): BuiltImage {
  const sbom = spdxDocument(imagePart(job), []);
  const image = pauseImage([reference, `${job.repository}/pause:${pauseTag}`], { [sbomPath(job)]: sbom });
  return { image: { ...image, annotations: annotations(job, 'Yadokari pause') }, sbom };
}

/** Says nothing of the repository, so that an image has the same digest wherever it goes. */
function imagePart({ name, version }: Job): SbomPart {
  return { name: `yadokari-${name}`, version, license: 'Apache-2.0', purl: `pkg:oci/yadokari-${name}@${version}` };
}

function sbomPath({ name }: Job): string {
  return `usr/share/sbom/yadokari-${name}.spdx.json`;
}

function annotations(job: Job, title: string): Readonly<Record<string, string>> {
  return {
    'org.opencontainers.image.title': title, 'org.opencontainers.image.version': job.version, 'org.opencontainers.image.licenses': 'Apache-2.0',
    'dev.yadokari.sbom': `/${sbomPath(job)}`,
  };
}
