import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../../base/process.ts';
import { buildError } from '../../toolchain/toolchain.ts';
import { ensureGo, type GoOptions } from '../../toolchain/go.ts';
import { cachedBuild } from '../build-cache.ts';

export interface CniPlugin {
  readonly content: Buffer;
  /** Of the Go standard library in it, such as `1.26.1`. */
  readonly goVersion: string;
}

/** Our CNI plugin as a static program that is the same wherever this compiler builds it: no paths, no ids of builds. */
export async function buildCniPlugin(source: string, cacheFolder: string, options: GoOptions): Promise<CniPlugin> {
  const go = await ensureGo(options);
  const fixed = { GOTOOLCHAIN: 'local', GOFLAGS: '', GOWORK: 'off', GOOS: 'linux', GOARCH: 'amd64', GOAMD64: 'v1', GOEXPERIMENT: '', CGO_ENABLED: '0', GO111MODULE: 'on' };
  const places = options.environment['HOME'] === undefined ? { GOPATH: join(options.cache, 'go'), GOCACHE: join(options.cache, 'go-build') } : {};
  const settings = { cwd: source, env: { ...options.environment, ...fixed, ...places }, timeoutMs: 600_000, ...(options.signal === undefined ? {} : { signal: options.signal }) };
  const version = (await run(go, ['env', 'GOVERSION'], settings)).trim();
  const files = (await readdir(source)).filter((name) => (name.endsWith('.go') && !name.endsWith('_test.go')) || name === 'go.mod').sort();
  const path = await cachedBuild({
    name: 'yado-cni',
    cacheFolder,
    inputs: [version, await readFile(import.meta.filename, 'utf8'), ...(await Promise.all(files.map((name) => readFile(join(source, name), 'utf8'))))],
    build: async (folder) => {
      const program = join(folder, 'yado-cni');
      await run(go, ['build', '-trimpath', '-buildvcs=false', '-mod=readonly', '-ldflags', '-s -w -buildid=', '-o', program, '.'], settings).catch((cause: unknown) => {
        options.signal?.throwIfAborted();
        throw buildError('yado-cni', cause);
      });
      return readFile(program);
    },
  });
  return { content: await readFile(path), goVersion: version.replace(/^go/, '') };
}
