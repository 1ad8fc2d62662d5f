import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { describe, it } from 'node:test';
import { groupsOutside, processesOf } from './daemons.ts';

describe('daemons that outlive the driver', () => {
  it('move beside the cgroups of all pods', () => {
    assert.deepEqual(groupsOutside(['0::/kubepods.slice/kubepods-burstable.slice/pod1/c1']), ['/sys/fs/cgroup/yadokari-volumes', '/sys/fs/cgroup/unified/yadokari-volumes']);
    assert.deepEqual(groupsOutside(['4:memory:/node-1/kubepods/burstable/pod1/c1', '1:name=systemd:/node-1/kubepods/pod1']), ['/sys/fs/cgroup/memory/node-1/yadokari-volumes', '/sys/fs/cgroup/systemd/node-1/yadokari-volumes']);
  });

  it('stay where they are outside of containers', () => {
    assert.deepEqual(groupsOutside(['0::/', '4:memory:/system.slice/yado.service']), []);
  });

  it('are found by what they are about', async () => {
    const own = basename(import.meta.filename);
    assert.ok((await processesOf('node', own)).includes(process.pid));
    assert.deepEqual(await processesOf('qemu-storage-daemon', own), []);
  });
});
