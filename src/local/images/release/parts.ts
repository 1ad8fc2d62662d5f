import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DebianArchive } from './debian.ts';
import type { SbomPart } from './sbom.ts';

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly license?: string }>>;
}

/** The npm packages whose sources a bundle holds, read from its source map. Sorted. */
export async function npmParts(bundle: string, projectRoot: string): Promise<readonly SbomPart[]> {
  const { sources } = JSON.parse(await readFile(`${bundle}.map`, 'utf8')) as { readonly sources: readonly string[] };
  const lock = JSON.parse(await readFile(join(projectRoot, 'package-lock.json'), 'utf8')) as LockFile;
  const folders = new Set(sources.map((source) => /node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+/.exec(source)?.[0]).filter((folder) => folder !== undefined));
  return [...folders].sort().flatMap((folder) => {
    const found = lock.packages[folder];
    if (found?.version === undefined) return [];
    return [npmPart(folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length), found.version, found.license)];
  });
}

function npmPart(name: string, version: string, license: string | undefined): SbomPart {
  return { name, version, purl: `pkg:npm/${name.replace('@', '%40')}@${encodeURIComponent(version)}`, ...(license === undefined ? {} : { license }) };
}

/** `distribution` is the ID of os-release and its version, such as `debian-12`. */
export function debianPart({ name, version, file, sha256 }: DebianArchive, distribution: string): SbomPart {
  const architecture = /_([^_]+)\.deb$/.exec(file)?.[1] ?? 'all';
  const [vendor = 'debian'] = distribution.split('-');
  return { name, version, sha256, purl: `pkg:deb/${vendor}/${name.replaceAll('+', '%2B')}@${encodeURIComponent(version)}?arch=${architecture}&distro=${distribution}` };
}
