import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../base/errors.ts';
import { run } from '../../base/process.ts';
import type { Progress } from '../../base/progress.ts';
import { removeAbandoned } from '../images/build-cache.ts';
import { unpackPackages } from '../images/packages.ts';
import { openStackPackages, servicePackages } from './packages.ts';

export interface ServiceProgramsOptions {
  /** Where what was unpacked is kept and found again. */
  readonly cacheFolder: string;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

export interface ServicePrograms {
  /** All packages unpacked into one folder. */
  readonly folder: string;
  /** Another for other versions of OpenStack. */
  readonly version: string;
}

/** Unpacks the packages of services, or finds those unpacked before; they belong to the installed libraries. Needs apt's mirror only the first time. */
export async function ensureServicePrograms({ cacheFolder, progress, signal }: ServiceProgramsOptions): Promise<ServicePrograms> {
  const version = await installedVersion();
  const folder = join(cacheFolder, `programs-${version}`);
  if (await exists(folder)) return { folder, version };
  await mkdir(cacheFolder, { recursive: true, mode: 0o700 });
  await removeAbandoned(cacheFolder);
  const work = await mkdtemp(join(cacheFolder, 'building-'));
  try {
    await progress.step(`Fetching ${servicePackages.length} Debian packages of OpenStack's services`, async () => {
      const all = join(work, 'all');
      for (const unpacked of await unpackPackages(servicePackages, { folder: work, ...(signal === undefined ? {} : { signal }) })) await cp(unpacked, all, { recursive: true, verbatimSymlinks: true });
      await putInPlace(all, folder);
    });
    return { folder, version };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A folder appears as a whole; whoever comes second leaves that of the first. */
async function putInPlace(folder: string, target: string): Promise<void> {
  try {
    await rename(folder, target);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
  }
}

async function installedVersion(): Promise<string> {
  const versions = await run('dpkg-query', ['--show', ...openStackPackages.map(({ name }) => name)]);
  return createHash('sha256').update([versions, ...servicePackages].join('\0')).digest('hex').slice(0, 16);
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}
