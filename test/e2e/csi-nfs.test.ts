import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentProgress } from '../../src/base/progress.ts';
import { createLog } from '../../src/base/log.ts';
import { bundleProgram } from '../../src/local/bundle.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { ensureExtraProgram } from '../../src/local/toolchain/toolchain.ts';
import { openNfs } from '../../src/storage/drivers/nfs/open.ts';
import { runInUserMode } from '../env/user-mode-linux.ts';
import { isLong } from '../env/long.ts';
import { tiedProgram } from '../env/tied.ts';

const root = join(import.meta.dirname, '../..');
const hasNfs = /^nodev\s+nfs4$/m.test(await readFile('/proc/filesystems', 'utf8'));

describe('the CSI driver for volumes on NFS', { timeout: 7_200_000 }, () => {
  it('makes, exports and removes volumes, killed or not', async () => {
    // What this starts, mounts, configures and writes goes with its namespaces, also when it is killed.
    const inside = `mount -t tmpfs run /run && ip link set lo up && TMPDIR=/run exec "$0" --test-reporter=spec test/inside/nfs-controller.test.ts`;
    const child = spawn('setpriv', [...tiedProgram, 'unshare', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', inside, process.execPath], { cwd: root, env: plain(), stdio: ['ignore', 'inherit', 'inherit'] });
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  it('mounts volumes under a kernel with an NFS client, and passes the sanity tests of CSI', async () => {
    const [sanity, program] = await Promise.all([
      ensureExtraProgram('csi-sanity', { modules: join(root, 'deploy/toolchain'), cache: defaultCacheRoot, environment: process.env, progress: silentProgress }),
      bundleProgram({ projectRoot: root, entry: join(root, 'src/bin/yado-csi.ts'), cache: defaultCacheRoot }),
    ]);
    const command = `/run/busybox modprobe -a loop veth bridge nfs nfsv4 && cd '${root}'; export PATH='${process.env['PATH']}' HOME=/tmp ${isLong ? 'YADO_TEST_LONG=1 ' : ''}YADO_CSI='${program}' YADO_CSI_SANITY='${sanity}'; exec '${process.execPath}' --test-reporter=spec test/inside/nfs-node.test.ts`;
    const { exitCode, output } = await runInUserMode(command, { memoryMiB: 2048, timeoutMs: 1_700_000, onOutput: (text) => process.stdout.write(text) });
    assert.equal(exitCode, 0, output.slice(-4000));
  });

  it('says what a kernel without an NFS client lacks', { skip: hasNfs ? 'the kernel of this machine has one' : false }, async () => {
    await using opened = await openNfs({ node: 'n1', stateDirectory: join(tmpdir(), 'yado-nfs-none'), settings: { server: '127.0.0.1', export: '/exported' }, secret: {}, log: createLog({ level: 'silent' }) });
    await assert.rejects(opened.volumes.attach({ id: `vol-${'0'.repeat(32)}`, readOnly: false, context: {}, secrets: {} }), { code: 'Unsupported', message: /has no NFS client.*linux-image-amd64.*CONFIG_NFS_V4_2/ });
  });
});

/** Without what tells a test that it is part of another. */
function plain(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, ...rest } = process.env;
  return rest;
}
