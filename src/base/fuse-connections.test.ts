import assert from 'node:assert/strict';
import { it } from 'node:test';
import { connectionOf, fuseConnections } from './fuse-connections.ts';

it('reads the connections of FUSE from what is mounted', () => {
  assert.equal(connectionOf('118 34 0:40 / /var/lib/x/image rw,relatime shared:1 - fuse /dev/fuse rw,user_id=0'), 40);
  assert.equal(connectionOf('119 34 0:41 / /var/lib/x/tree rw - fuse.ceph-fuse ceph-fuse rw'), 41);
  assert.equal(connectionOf('120 34 0:42 / /sys/fs/fuse/connections rw - fusectl none rw'), undefined);
  assert.equal(connectionOf('121 34 7:1 / /mnt rw - ext4 /dev/loop1 rw'), undefined);
  assert.equal(connectionOf(''), undefined);
});

it('finds none of a process that has ended, and none that are the host\'s', async () => {
  assert.deepEqual(await fuseConnections([2 ** 22 + 1, process.pid]), []);
});
