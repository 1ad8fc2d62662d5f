import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { silentProgress } from '../../src/base/progress.ts';
import { run } from '../../src/base/process.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { ensureExtraProgram } from '../../src/local/toolchain/toolchain.ts';
import { CsiDriverUnderTest } from '../env/csi-driver.ts';
import { again } from '../env/csi-volumes.ts';
import { randomOf } from '../env/faults.ts';

const MI = 2 ** 20;
const ROUNDS = Number(process.env['YADO_TEST_ROUNDS'] ?? 20);
const mountable = (fsType = '') => ({ mount: { fsType }, accessMode: { mode: 'SINGLE_NODE_WRITER' } });
const block = { block: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' } };

describe('the CSI driver for local volumes', { timeout: 600_000 }, () => {
  let driver: CsiDriverUnderTest;
  const at = (name: string): string => join(driver.folder, name);

  const create = async (name: string, more: object = {}): Promise<string> =>
    (await driver.call('CreateVolume', { name, capacityRange: { requiredBytes: 32 * MI }, volumeCapabilities: [mountable()], ...more }))['volume'].volumeId;
  const publish = async (volumeId: string, name: string, volumeCapability: object = mountable(), readonly = false): Promise<string> => {
    await driver.call('NodeStageVolume', { volumeId, stagingTargetPath: at(`staged-${name}`), volumeCapability });
    await driver.call('NodePublishVolume', { volumeId, stagingTargetPath: at(`staged-${name}`), targetPath: at(name), volumeCapability, readonly });
    return at(name);
  };
  const unpublish = async (volumeId: string, name: string): Promise<void> => {
    await driver.call('NodeUnpublishVolume', { volumeId, targetPath: at(name) });
    await driver.call('NodeUnstageVolume', { volumeId, stagingTargetPath: at(`staged-${name}`) });
  };
  const nothingIsLeft = async (): Promise<void> => {
    assert.deepEqual((await driver.call('ListVolumes'))['entries'], []);
    assert.deepEqual((await driver.call('ListSnapshots'))['entries'], []);
    assert.deepEqual(await driver.inUse(), []);
    for (const folder of ['volumes', 'snapshots']) assert.deepEqual(await readdir(at(`state/local/${folder}`)), []);
  };

  before(async () => {
    driver = await CsiDriverUnderTest.start();
  });
  after(() => driver?.[Symbol.asyncDispose]());

  it('passes the sanity tests of CSI', async () => {
    const sanity = await ensureExtraProgram('csi-sanity', { modules: join(import.meta.dirname, '../../deploy/toolchain'), cache: defaultCacheRoot, environment: process.env, progress: silentProgress });
    const said = await run(sanity, ['--csi.endpoint', driver.socket, '--csi.testvolumesize', String(320 * MI), '--csi.testvolumeexpandsize', String(400 * MI), '--csi.mountdir', at('sanity'), '--csi.stagingdir', at('sanity-staging'), '--ginkgo.no-color'], { timeoutMs: 300_000 });
    const [, passed = '0', failed] = /(\d+) Passed \| (\d+) Failed/.exec(said) ?? [];
    assert.ok(Number(passed) >= 55, said.slice(-2000));
    assert.equal(failed, '0');
    await nothingIsLeft();
  });

  it('keeps what was written: in a snapshot, in a clone, on a larger volume', async () => {
    const one = await create('one');
    const path = await publish(one, 'one');
    await writeFile(join(path, 'file'), 'before');
    const { snapshot } = await driver.call('CreateSnapshot', { name: 'then', sourceVolumeId: one });
    await writeFile(join(path, 'file'), 'after');
    const then = await create('then', { capacityRange: { requiredBytes: 64 * MI }, volumeContentSource: { snapshot: { snapshotId: snapshot.snapshotId } } });
    const now = await create('now', { volumeContentSource: { volume: { volumeId: one } } });
    assert.equal(await readFile(join(await publish(then, 'then'), 'file'), 'utf8'), 'before');
    assert.equal(await readFile(join(await publish(now, 'now'), 'file'), 'utf8'), 'after');
    const { usage } = await driver.call('NodeGetVolumeStats', { volumeId: then, volumePath: at('then') });
    assert.ok(Number(usage[0].total) > 50 * MI, JSON.stringify(usage));
    await assert.rejects(driver.call('DeleteVolume', { volumeId: now }), /FAILED_PRECONDITION.*attached/);
    for (const [id, name] of [[one, 'one'], [then, 'then'], [now, 'now']] as const) {
      await unpublish(id, name);
      await driver.call('DeleteVolume', { volumeId: id });
    }
    await driver.call('DeleteSnapshot', { snapshotId: snapshot.snapshotId });
    await nothingIsLeft();
  });

  it('gives no more than was asked for', async () => {
    const id = await create('full');
    const path = await publish(id, 'full');
    await assert.rejects(writeFile(join(path, 'large'), Buffer.alloc(40 * MI)), { code: 'ENOSPC' });
    await unpublish(id, 'full');
    await driver.call('DeleteVolume', { volumeId: id });
  });

  it('grows a volume that is in use, where the file system can, and says where it cannot', async () => {
    const id = await create('grown', { capacityRange: { requiredBytes: 320 * MI } });
    const path = await publish(id, 'grown', mountable('xfs'));
    await writeFile(join(path, 'file'), 'kept');
    const larger = { volumeId: id, capacityRange: { requiredBytes: 400 * MI } };
    await driver.call('NodeExpandVolume', { ...larger, volumePath: path });
    assert.ok(Number((await driver.call('NodeGetVolumeStats', { volumeId: id, volumePath: path }))['usage'][0].total) > 330 * MI);
    assert.equal(await readFile(join(path, 'file'), 'utf8'), 'kept');
    await unpublish(id, 'grown');
    await driver.call('DeleteVolume', { volumeId: id });
  });

  it('is a block device where one is wanted', async () => {
    const id = await create('raw', { volumeCapabilities: [block] });
    const path = await publish(id, 'raw', block);
    await run('dd', ['if=/dev/urandom', `of=${path}`, 'bs=1M', 'count=32', 'conv=notrunc,fsync', 'status=none']);
    assert.equal((await driver.call('NodeGetVolumeStats', { volumeId: id, volumePath: path }))['usage'][0].total, String(32 * MI));
    await unpublish(id, 'raw');
    await driver.call('DeleteVolume', { volumeId: id });
    await nothingIsLeft();
  });

  it('lets pods that may only read do no more', async () => {
    const id = await create('read');
    const path = await publish(id, 'read', mountable(), true);
    await assert.rejects(writeFile(join(path, 'file'), 'x'), { code: 'EROFS' });
    await unpublish(id, 'read');
    await driver.call('DeleteVolume', { volumeId: id });
  });

  for (const [what, request, said] of [
    ['no size that can be', { capacityRange: { requiredBytes: 2 * MI, limitBytes: MI } }, /INVALID_ARGUMENT.*at least 2097152 and at most 1048576/],
    ['more than there is', { capacityRange: { requiredBytes: 2 ** 60 } }, /RESOURCE_EXHAUSTED.*are left on node n1/],
    ['an unknown parameter', { parameters: { colour: 'blue' } }, /INVALID_ARGUMENT.*parameter colour is not known; known are none/],
    ['many nodes', { volumeCapabilities: [{ mount: {}, accessMode: { mode: 'MULTI_NODE_MULTI_WRITER' } }] }, /INVALID_ARGUMENT.*is not for many nodes; it is for one node/],
    ['an unknown file system', { volumeCapabilities: [mountable('ntfs')] }, /INVALID_ARGUMENT.*ntfs is not offered; ext4 and xfs are/],
    ['a source that is not there', { volumeContentSource: { volume: { volumeId: 'vol-00000000000000000000000000000000-676b8bb8' } } }, /NOT_FOUND/],
  ] as const) {
    it(`refuses ${what}, and makes nothing`, async () => {
      await assert.rejects(create('refused', request), said);
      await nothingIsLeft();
    });
  }

  it(`is killed ${ROUNDS} times in the middle of its calls, and leaves nothing`, async () => {
    const seed = Number(process.env['YADO_TEST_SEED'] ?? Date.now() % 2 ** 31);
    const next = randomOf(seed);
    for (let round = 0; round < ROUNDS; round += 1) {
      const name = `round-${round}`;
      const killing = (async () => {
        await new Promise((resolve) => setTimeout(resolve, next() * 150));
        await driver.kill();
        await driver.run();
      })();
      const id = await again(() => create(name));
      const path = await again(() => publish(id, name));
      await writeFile(join(path, 'file'), name);
      const { snapshot } = await again(() => driver.call('CreateSnapshot', { name, sourceVolumeId: id }));
      const copy = await again(() => create(`${name}-copy`, { volumeContentSource: { snapshot: { snapshotId: snapshot.snapshotId } } }));
      assert.equal(await readFile(join(await again(() => publish(copy, `${name}-copy`)), 'file'), 'utf8'), name, `round ${round} (YADO_TEST_SEED=${seed})`);
      for (const [one, named] of [[copy, `${name}-copy`], [id, name]] as const) {
        await again(() => unpublish(one, named));
        await again(() => driver.call('DeleteVolume', { volumeId: one }));
      }
      await again(() => driver.call('DeleteSnapshot', { snapshotId: snapshot.snapshotId }));
      await killing;
    }
    await driver.call('Probe');
    await nothingIsLeft();
  });
});
