import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { run } from '../../../base/process.ts';
import { metadataBytes, resourceFile, type ResourceDescription } from './resource-file.ts';

const host = (number: number) => ({ hostname: `n${number}`, address: `10.0.0.${number}`, port: 7000 + number, nodeId: number, minor: 1000 + number, diskless: false });
const description: ResourceDescription = {
  resource: 'yado-1', hosts: [host(1), host(2)], disk: '/dev/vg/yado-1', metadata: '/dev/vg/yado-1.meta',
  handlers: { fencePeer: 'sh /run/fence-peer /run/fenced', splitBrain: 'touch /run/split-brain' }, onNoQuorum: 'io-error', major: 8,
};

it('says to DRBD 8.4 that whoever loses the other asks before it goes on', () => {
  assert.equal(resourceFile(description), `# Written by yado-csi, which writes over what is changed here.
resource yado-1 {
  handlers { fence-peer "sh /run/fence-peer /run/fenced"; split-brain "touch /run/split-brain"; }
  disk { on-io-error detach; resync-rate 40M; c-max-rate 400M; c-min-rate 10M; fencing resource-and-stonith; }
  net { protocol C; timeout 25; connect-int 3; ping-int 3; ping-timeout 20; verify-alg crc32c; after-sb-0pri disconnect; after-sb-1pri disconnect; after-sb-2pri disconnect; rr-conflict disconnect; }
  on n1 { address ipv4 10.0.0.1:7001; volume 0 { device minor 1001; disk /dev/vg/yado-1; meta-disk /dev/vg/yado-1.meta; } }
  on n2 { address ipv4 10.0.0.2:7002; volume 0 { device minor 1002; disk /dev/vg/yado-1; meta-disk /dev/vg/yado-1.meta; } }
}
`);
});

const drbdadm = await run('sh', ['-c', 'command -v drbdadm']).then((path) => path.trim(), () => '');

it('says to DRBD 9 that a majority decides, in words that its own program takes', { skip: drbdadm === '' ? 'there is no drbdadm' : false }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'yado-drbd-'));
  try {
    const text = resourceFile({ ...description, major: 9, hosts: [host(1), host(2), { ...host(3), diskless: true }] });
    assert.match(text, /options \{ quorum majority; on-no-quorum io-error; \}/);
    assert.match(text, /on n3 \{ node-id 3; address ipv4 10\.0\.0\.3:7003; volume 0 \{ device minor 1003; disk none; \} \}/);
    await writeFile(join(folder, 'r.res'), text);
    const plan = await run(drbdadm, ['-c', join(folder, 'r.res'), '-d', 'up', 'yado-1'], { env: { ...process.env, __DRBD_NODE__: 'n2', DRBD_DRIVER_VERSION_OVERRIDE: '9.1.0' } });
    assert.match(plan, /new-peer yado-1 1[\s\S]*new-peer yado-1 3/);
    assert.match(plan, /--quorum=majority/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('has room beside the data for one bit of each 4 KiB and each other replica', () => {
  assert.equal(metadataBytes(2 ** 30, 1), 32 * 1024 + 2 ** 20);
  assert.equal(metadataBytes(2 ** 40, 2), 64 * 2 ** 20 + 2 ** 20);
  assert.equal(metadataBytes(2 ** 30, 0), metadataBytes(2 ** 30, 1));
});
