import { chmod, readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { run } from '../../base/process.ts';
import { ensureGo, type GoOptions } from '../toolchain/go.ts';
import { buildError } from '../toolchain/toolchain.ts';
import { cachedBuild } from './build-cache.ts';

export interface GoProgramOptions extends GoOptions {
  /** Folder of the program's sources, which need the standard library alone; its name is the program's. */
  readonly source: string;
  /** Where built programs are kept. */
  readonly cacheFolder: string;
}

export interface GoProgram {
  readonly path: string;
  /** Of the Go standard library in it, such as `1.26.1`. */
  readonly goVersion: string;
}

/** One of our Go programs: static, and the same bytes wherever this compiler builds it: no paths, no ids of builds. */
export async function buildGoProgram(options: GoProgramOptions): Promise<GoProgram> {
  const { source, cacheFolder, signal } = options;
  const name = basename(source);
  const go = await ensureGo(options);
  const settings = { cwd: source, env: goEnvironment(options), timeoutMs: 600_000, ...(signal === undefined ? {} : { signal }) };
  const version = (await run(go, ['env', 'GOVERSION'], settings)).trim();
  const files = (await readdir(source)).filter((file) => (file.endsWith('.go') && !file.endsWith('_test.go')) || file === 'go.mod').sort();
  const path = await cachedBuild({
    name,
    cacheFolder,
    inputs: [version, await readFile(import.meta.filename, 'utf8'), ...(await Promise.all(files.map((file) => readFile(join(source, file), 'utf8'))))],
    build: async (folder) => {
      const program = join(folder, name);
      await run(go, ['build', '-trimpath', '-buildvcs=false', '-mod=readonly', '-ldflags', '-s -w -buildid=', '-o', program, '.'], settings).catch((cause: unknown) => {
        signal?.throwIfAborted();
        throw buildError(name, cause);
      });
      return readFile(program);
    },
  });
  await chmod(path, 0o755);
  return { path, goVersion: version.replace(/^go/, '') };
}

/** In which the compiler makes the same of the same sources, whoever runs it. */
export function goEnvironment({ cache, environment }: Pick<GoOptions, 'cache' | 'environment'>): NodeJS.ProcessEnv {
  const fixed = { GOTOOLCHAIN: 'local', GOFLAGS: '', GOWORK: 'off', GOOS: 'linux', GOARCH: 'amd64', GOAMD64: 'v1', GOEXPERIMENT: '', CGO_ENABLED: '0', GO111MODULE: 'on' };
  const places = environment['HOME'] === undefined ? { GOPATH: join(cache, 'go'), GOCACHE: join(cache, 'go-build') } : {};
  return { ...environment, ...fixed, ...places };
}
