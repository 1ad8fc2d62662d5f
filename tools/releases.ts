import { readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { parse } from 'yaml';
import { FileTree } from '../src/local/images/file-tree.ts';
import { tarArchive } from '../src/local/images/tar-archive.ts';

const root = join(import.meta.dirname, '..');

/** Where the chart of every release is kept, as `yadokari-<version>.tgz`. */
export const releasesFolder = join(root, 'deploy/releases');

/** What `.helmignore` leaves out, too. */
const leftOut = /^\.(?!helmignore$)|\.(swp|tgz)$/;
const BLOCK = 512;
/** Offset of gzip's mark of the operating system; 255 is none. */
const GZIP_SYSTEM = 9;

/** The version of this tree. */
export function projectVersion(): string {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string }).version;
}

/** Path of a release's chart. */
export function releaseArchive(version: string): string {
  return join(releasesFolder, `yadokari-${version}.tgz`);
}

/** The newest release that is not this tree's own version; throws when there is none. */
export function previousRelease(): string {
  const released = readdirSync(releasesFolder).flatMap((name) => /^yadokari-(\d+\.\d+\.\d+)\.tgz$/.exec(name)?.[1] ?? []);
  const [newest] = released.filter((version) => version !== projectVersion()).sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  if (newest === undefined) throw new Error(`${releasesFolder} has no release but this one`);
  return newest;
}

/**
 * A chart's folder as the archive that Helm takes. The same files give the same bytes: names are sorted, and times,
 * owners and modes are those of no host.
 */
export async function packagedChart(folder: string): Promise<Buffer> {
  const { name } = parse(await readFile(join(folder, 'Chart.yaml'), 'utf8')) as { readonly name: string };
  const tree = new FileTree();
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((found) => found.isFile() && !leftOut.test(found.name))) {
    const path = join(entry.parentPath, entry.name);
    tree.file(`${name}${path.slice(folder.length)}`, await readFile(path));
  }
  const archive = gzipSync(tarArchive(tree), { level: 9 });
  archive[GZIP_SYSTEM] = 255;
  return archive;
}

/** Texts of a packaged chart by their path in the chart. */
export function chartTexts(archive: Buffer): ReadonlyMap<string, string> {
  const bytes = gunzipSync(archive);
  const texts = new Map<string, string>();
  const field = (start: number, length: number): string => bytes.toString('utf8', start, start + length).replace(/\0.*$/s, '');
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0;) {
    const size = Number.parseInt(field(at + 124, 12), 8);
    const path = [field(at + 345, 155), field(at, 100)].filter((part) => part !== '').join('/');
    if (field(at + 156, 1) === '0') texts.set(path.slice(path.indexOf('/') + 1), bytes.toString('utf8', at + BLOCK, at + BLOCK + size));
    at += BLOCK * (1 + Math.ceil(size / BLOCK));
  }
  return texts;
}

/** The CustomResourceDefinitions that a release's chart installs, by name. */
export async function releasedDefinitions(version: string): Promise<ReadonlyMap<string, unknown>> {
  const texts = [...chartTexts(await readFile(releaseArchive(version)))].filter(([path]) => path.startsWith('templates/crds/'));
  return new Map(texts.map(([, text]) => {
    const definition = parse(withoutActions(text)) as { readonly metadata: { readonly name: string } };
    return [definition.metadata.name, definition];
  }));
}

/** A definition's template as plain YAML: only its condition, labels and annotations are the template's. */
function withoutActions(template: string): string {
  const lines = template.split('\n').filter((line) => !/^\s*\{\{-.*\}\}$/.test(line) && !/^ {2}(labels|annotations): \{\{-/.test(line));
  return lines.join('\n').replaceAll('{{ "{{" }}', '{{');
}
