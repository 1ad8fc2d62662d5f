import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentProgress } from '../../src/base/progress.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { ensurePackages } from '../../src/local/packages.ts';
import type { StorageServer } from '../../src/local/storage/record.ts';
import { serverPackages, storagePackages } from '../../src/local/storage/packages.ts';
import { ensureStorage } from '../../src/local/storage/programs.ts';
import { nodeKernel } from './user-mode-kernel.ts';
import { runInUserMode } from './user-mode-linux.ts';

const root = join(import.meta.dirname, '../..');
const MAP_COUNT = '/proc/sys/vm/max_map_count';
/** Each page of a process there is a mapping here, of which an API server has more than the usual 65530. */
const MAPPINGS = 1_048_576;

/** Modules that others have made for Go stay in sight, since there is no network. */
const begin = `set -e
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/go /root/go
mount --bind /root/go /run/go
for folder in /root /var/log; do mount -t tmpfs tmpfs $folder; done
# Of a file in memory alone this kernel lets nobody write past the cache, as databases and loop devices do.
truncate -s 16G /run/disk; mkfs.xfs -q /run/disk; mount -o loop /run/disk /mnt
for folder in /tmp /var/lib/yado; do mkdir -p $folder /mnt$folder; mount --bind /mnt$folder $folder; done
export HOME=/root KUBECONFIG=/root/.kube/config GOPATH=/run/go PATH='${process.env['PATH']}'
cd ${root}
kubectl=$(find /var/cache/yadokari/toolchain -name kubectl | head -n 1)
`;

/** Installs and builds what a cluster with servers of these kinds takes: there is no network where it runs. */
export async function prepareStorage(servers: readonly StorageServer[]): Promise<void> {
  const kinds = ['local', ...servers] as const;
  await ensurePackages({ progress: silentProgress, install: true, extra: [...storagePackages(kinds), ...serverPackages(servers)], environment: process.env });
  await ensureStorage({ kinds, servers }, { projectRoot: root, modules: join(root, 'deploy/toolchain'), cache: defaultCacheRoot, environment: process.env, progress: silentProgress });
}

/** Runs a shell script on a host as most are: a kernel of Debian's source, with cgroups of version 2 alone. What it prints; throws unless all of it went well. */
export async function onOtherKernel(script: string, { timeoutMs }: { readonly timeoutMs: number }): Promise<string> {
  const before = await readFile(MAP_COUNT, 'utf8');
  if (Number(before) < MAPPINGS) await writeFile(MAP_COUNT, String(MAPPINGS));
  try {
    const { exitCode, output } = await runInUserMode(begin + script, { kernel: nodeKernel, memoryMiB: 8192, timeoutMs, onOutput: (text) => process.stdout.write(text) });
    assert.equal(exitCode, 0, output.slice(-4000));
    return output;
  } finally {
    await writeFile(MAP_COUNT, before);
  }
}
