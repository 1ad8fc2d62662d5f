import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentProgress } from '../../base/progress.ts';
import { CommandError } from '../../base/process.ts';
import { isNewEnough } from './go.ts';
import { requiredBinaries, toolchainPrograms } from './programs.ts';
import { buildError, ensureToolchain } from './toolchain.ts';

const modules = join(import.meta.dirname, '../../../deploy/toolchain');

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'yado-toolchain-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('the toolchain', () => {
  it('knows which Go is new enough', () => {
    assert.deepEqual(['go1.26.8', 'go1.27', 'go2.0', 'go1.25.9', 'go1.19', ''].map((version) => isNewEnough(version)), [true, true, true, false, false, false]);
  });

  it('builds everything that a folder of ready binaries must have', () => {
    const names = new Set(toolchainPrograms.map(({ name }) => name));
    assert.deepEqual(requiredBinaries.filter((name) => !names.has(name)), []);
  });

  it('takes ready binaries and builds nothing', () => inFolder(async (folder) => {
    await mkdir(join(folder, 'bin'));
    for (const name of [...requiredBinaries, 'loopback']) await writeFile(join(folder, 'bin', name), '');
    const found = await ensureToolchain({ modules, cniSource: join(folder, 'none'), cache: join(folder, 'cache'), binaries: join(folder, 'bin'), environment: {}, progress: silentProgress });
    assert.deepEqual(found, { binaries: join(folder, 'bin'), cniPlugins: { loopback: join(folder, 'bin', 'loopback') } });
  }));

  it('names what a folder of binaries lacks', () => inFolder(async (folder) => {
    await assert.rejects(ensureToolchain({ modules, cniSource: folder, cache: folder, binaries: folder, environment: {}, progress: silentProgress }), { code: 'BinariesMissing', message: /has no kube-apiserver.*coredns/ });
  }));

  const failures: readonly (readonly [string, string])[] = [
    ['write /tmp/x: no space left on device', 'DiskFull'],
    ['go: golang.org/x/net@v0.1.0: Get "https://mirror": dial tcp: lookup mirror: no such host', 'ModuleMirrorUnreachable'],
    ['verifying module: checksum mismatch', 'ModuleChecksum'],
    ['main.go:3: undefined: x', 'BuildFailed'],
  ];
  for (const [stderr, code] of failures) {
    it(`calls "${stderr.slice(0, 40)}…" ${code}`, () => {
      assert.equal(buildError('etcd', new CommandError('go build', 1, stderr)).code, code);
    });
  }
});
