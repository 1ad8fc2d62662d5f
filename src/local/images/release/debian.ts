import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../../base/process.ts';
import { removeAbandoned } from '../build-cache.ts';
import { abort, apt, PackageError, refresh } from '../packages.ts';

/** A Debian package as apt would fetch it now. */
export interface DebianArchive {
  readonly name: string;
  readonly version: string;
  /** Name of the archive, such as `libc6_2.36-9_amd64.deb`. */
  readonly file: string;
  readonly sha256: string;
}

export interface DebianOptions {
  /** Where archives are kept and found again. */
  readonly cacheFolder: string;
  readonly signal?: AbortSignal;
}

/** What only the scripts of packages ask for, which never run here. That nothing else needs them is checked: every library must be found. */
const installersOnly = /^(adduser|debconf|dmsetup|dpkg|file|init-system-helpers|iso-codes|libaudit-common|libfile-find-rule-perl|libgdbm.*|libnumber-compare-perl|libpam-modules.*|libperl.*|libsemanage.*|libsepol.*|libtext-glob-perl|mawk|passwd|perl.*|sensible-utils|ucf|usrmerge|util-linux-extra)$/;

/** The packages with all that they depend on, as apt's own solver chooses for a machine that has nothing. Recommendations are left out. */
export async function resolvePackages(names: readonly string[], options: DebianOptions): Promise<readonly DebianArchive[]> {
  await mkdir(options.cacheFolder, { recursive: true });
  await removeAbandoned(options.cacheFolder);
  const folder = await mkdtemp(join(options.cacheFolder, 'building-'));
  try {
    // apt does not name what lies among its archives already, so it gets an empty folder of its own.
    await mkdir(join(folder, 'partial'));
    const settings = { 'Dir::State::status': '/dev/null', 'Dir::Cache::archives': folder, 'APT::Sandbox::User': 'root', 'APT::Install-Recommends': 'false', 'Acquire::ForceHash': 'SHA256' };
    const args = [...Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]), '--print-uris', '-qq', 'install', ...names];
    const solve = () => run('apt-get', args, { timeoutMs: 120_000, ...abort(options.signal) });
    const output = await solve().catch(async () => {
      await refresh({ folder, ...abort(options.signal) });
      return solve();
    });
    return parseArchives(output);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error instanceof PackageError ? error : new PackageError(`apt cannot resolve ${names.join(', ')}; a Debian or Ubuntu release that has them is needed`, error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Reads lines such as `'http://…/libc6_2.36-9_amd64.deb' libc6_2.36-9_amd64.deb 2759320 SHA256:…`. Sorted by name. */
export function parseArchives(output: string): readonly DebianArchive[] {
  const found = [...output.matchAll(/^'[^']+' (\S+) \d+ SHA256:([0-9a-f]{64})$/gm)].map(([, file = '', sha256 = '']): DebianArchive => {
    const [name = '', version = ''] = file.split('_');
    return { name, version: decodeURIComponent(version), file, sha256 };
  });
  return found.filter(({ name }) => !installersOnly.test(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Paths of the archives, fetched where the cache lacks them; each is what its checksum says. */
export async function fetchArchives(archives: readonly DebianArchive[], options: DebianOptions): Promise<ReadonlyMap<DebianArchive, string>> {
  const folder = join(options.cacheFolder, 'debian');
  await mkdir(folder, { recursive: true });
  const missing: DebianArchive[] = [];
  for (const archive of archives) if (!(await isWhole(join(folder, archive.file), archive))) missing.push(archive);
  if (missing.length > 0) await download(missing, folder, options);
  return new Map(archives.map((archive) => [archive, join(folder, archive.file)]));
}

async function download(archives: readonly DebianArchive[], target: string, { cacheFolder, signal }: DebianOptions): Promise<void> {
  const folder = await mkdtemp(join(cacheFolder, 'building-'));
  try {
    const wanted = archives.map(({ name, version }) => `${name}=${version}`);
    await apt(['apt-get', '-q', 'download', ...wanted], "Debian's packages cannot be downloaded; check apt's sources and the network", { folder, ...abort(signal) });
    for (const archive of archives) {
      const path = join(folder, archive.file);
      if (!(await isWhole(path, archive))) throw new PackageError(`${archive.file} is not what apt's lists say; refresh them with apt-get update`, undefined);
      await rename(path, join(target, archive.file));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function isWhole(path: string, { sha256 }: DebianArchive): Promise<boolean> {
  const content = await readFile(path).catch(() => undefined);
  return content !== undefined && createHash('sha256').update(content).digest('hex') === sha256;
}
