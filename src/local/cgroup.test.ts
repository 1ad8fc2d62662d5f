import assert from 'node:assert/strict';
import { mkdtemp, rm, rmdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureCgroup, entryFiles, parseHierarchies, removeIfEmpty } from './cgroup.ts';

const versionTwo = 'cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot 0 0\n';
const hybrid = `tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,release_agent=/lib/systemd/systemd-cgroups-agent,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
cgroup /mnt/elsewhere cgroup rw,memory 0 0
`;

describe('cgroup detection', () => {
  it('finds the one hierarchy of version 2', () => {
    assert.deepEqual(parseHierarchies(versionTwo), [{ mountPoint: '/sys/fs/cgroup', version: 2, mountOptions: '' }]);
  });

  it('finds every hierarchy of version 1 with the options that mount it again, and the unified one', () => {
    assert.deepEqual(parseHierarchies(hybrid), [
      { mountPoint: '/sys/fs/cgroup/cpu,cpuacct', version: 1, mountOptions: 'cpu,cpuacct' },
      { mountPoint: '/sys/fs/cgroup/systemd', version: 1, mountOptions: 'none,name=systemd' },
      { mountPoint: '/sys/fs/cgroup/unified', version: 2, mountOptions: '' },
    ]);
  });

  it('enters a cgroup in all hierarchies', () => {
    assert.deepEqual(entryFiles(parseHierarchies(hybrid), 'yadokari/a').slice(-1), ['/sys/fs/cgroup/unified/yadokari/a/cgroup.procs']);
    assert.equal(entryFiles(parseHierarchies(hybrid), 'yadokari/a').length, 3);
  });

  it('makes a cgroup also where the last other one takes their parent away in the middle of it', async () => {
    const mountPoint = await mkdtemp(join(tmpdir(), 'yado-cgroup-'));
    const hierarchies = [{ mountPoint, version: 1 as const, mountOptions: 'memory' }];
    const end = new AbortController();
    const removing = (async () => { for (; !end.signal.aborted; await delay(1)) await removeIfEmpty(hierarchies, 'parent'); })();
    try {
      for (let round = 0; round < 200; round += 1) {
        await ensureCgroup(hierarchies, 'parent/own');
        assert.ok((await stat(join(mountPoint, 'parent/own'))).isDirectory());
        await rmdir(join(mountPoint, 'parent/own'));
      }
    } finally {
      end.abort();
      await removing;
      await rm(mountPoint, { recursive: true, force: true });
    }
  });
});
