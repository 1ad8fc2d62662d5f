import { glob, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { YadoError } from '../../base/errors.ts';
import { run } from '../../base/process.ts';

export interface PackageOptions {
  /** Empty folder to work in; the caller removes it. */
  readonly folder: string;
  readonly signal?: AbortSignal;
}

/** Debian packages could not be fetched. */
export class PackageError extends YadoError {
  constructor(message: string, cause: unknown) {
    super('PackageUnavailable', message, { cause, disposition: 'stalled' });
  }
}

/** Downloads packages with apt and unpacks each into a folder of its own; nothing is installed. Returns the folders in the same order. */
export async function unpackPackages(names: readonly string[], options: PackageOptions): Promise<readonly string[]> {
  const all = (): Promise<readonly string[]> => Promise.all(names.map((name) => unpackPackage(name, options)));
  try {
    return await all();
  } catch (error) {
    if (!(error instanceof PackageError)) throw error;
    // Old lists name files that the mirror no longer has.
    await refresh(options);
    return all();
  }
}

async function unpackPackage(name: string, options: PackageOptions): Promise<string> {
  const archive = join(options.folder, `${name}.deb.d`);
  const content = join(options.folder, name);
  await mkdir(archive, { recursive: true });
  await mkdir(content, { recursive: true });
  await apt(['apt-get', '-q', 'download', name], `the package ${name} cannot be downloaded; check apt's sources and the network`, { ...options, folder: archive });
  const file = (await readdir(archive)).find((entry) => entry.endsWith('.deb'));
  if (file === undefined) throw new PackageError(`apt-get download ${name} left no package`, undefined);
  await run('dpkg-deb', ['-x', join(archive, file), content], { timeoutMs: 120_000, ...abort(options.signal) });
  return content;
}

/** Fetches apt's lists anew. */
export function refresh(options: PackageOptions): Promise<void> {
  return apt(['apt-get', '-q', 'update'], "apt's lists cannot be refreshed; check the network", options);
}

/** The package that a metapackage such as linux-image-cloud-amd64 stands for now. Refreshes apt's lists when they are empty. */
export async function concretePackage(metapackage: string, pattern: RegExp, options: PackageOptions): Promise<string> {
  for (const isStale of [false, true]) {
    if (isStale) await refresh(options);
    const output = await run('apt-cache', ['depends', metapackage], { timeoutMs: 60_000, ...abort(options.signal) }).catch(() => '');
    const found = output.split('\n').map((line) => /Depends: (\S+)/.exec(line)?.[1]).find((name) => name !== undefined && pattern.test(name));
    if (found !== undefined) return found;
  }
  throw new PackageError(`apt knows no package ${metapackage}; a Debian or Ubuntu release that has it is needed`, undefined);
}

/** The shared libraries that these programs need on this host, the loader included, as paths; first looked for in these unpacked packages. */
export async function librariesOf(programs: readonly string[], signal?: AbortSignal, unpacked: readonly string[] = []): Promise<readonly string[]> {
  const folders: string[] = [];
  for await (const folder of glob(unpacked.map((one) => join(one, 'usr/lib/*-linux-gnu*')))) folders.push(folder);
  const output = await run('ldd', programs, { timeoutMs: 30_000, ...(folders.length === 0 ? {} : { env: { ...process.env, LD_LIBRARY_PATH: folders.join(':') } }), ...abort(signal) });
  const missing = /^\s*(\S+) => not found/m.exec(output)?.[1];
  if (missing !== undefined) throw new PackageError(`the library ${missing} is missing on this host; install qemu-system-x86, which needs the same libraries`, undefined);
  const paths = output.split('\n').map((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1]).filter((path) => path !== undefined);
  return [...new Set(paths)].sort();
}

/** Runs one of apt's programs in the folder; what goes wrong becomes a PackageError with this message. */
export async function apt(command: readonly string[], message: string, options: PackageOptions): Promise<void> {
  const [file = '', ...args] = command;
  try {
    // apt's own sandbox user cannot write to our folder; downloads as root are meant here.
    await run(file, ['-o', 'APT::Sandbox::User=root', ...args], { cwd: options.folder, timeoutMs: 300_000, ...abort(options.signal) });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw new PackageError(message, error);
  }
}

export function abort(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
