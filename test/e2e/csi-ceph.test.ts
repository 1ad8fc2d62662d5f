import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { silentProgress } from '../../src/base/progress.ts';
import { run } from '../../src/base/process.ts';
import { ensurePackages } from '../../src/local/packages.ts';
import { CephCluster } from '../env/ceph-cluster.ts';
import { cephPackages } from '../env/ceph-packages.ts';
import { CsiDriverUnderTest, type BackendUnderTest } from '../env/csi-driver.ts';
import { describeKills } from '../env/csi-kills.ts';
import { again, block, CsiVolumes, MI, mountable, runSanity } from '../env/csi-volumes.ts';

const shared = mountable('', 'MULTI_NODE_MULTI_WRITER');
const nowhere = { volumeContentSource: { volume: { volumeId: `vol-${'0'.repeat(40)}` } } };

describe('the CSI drivers for Ceph', { timeout: 7_200_000 }, () => {
  let ceph: CephCluster;
  let keys: Readonly<Record<'rbd' | 'cephfs', string>>;
  const backendOf = (kind: 'rbd' | 'cephfs', more: object = {}): BackendUnderTest => ({
    kind, secret: { user: `yado-${kind}`, key: keys[kind] },
    settings: { monitors: ceph.monitors, ...(kind === 'rbd' ? { pool: 'disks', namespace: 'one' } : { filesystem: 'files' }), ...more },
  });


  before(async () => {
    await ensurePackages({ progress: silentProgress, install: true, extra: cephPackages, environment: process.env });
    ceph = await CephCluster.start();
    await ceph.pool('disks');
    await ceph.rbd('namespace', 'create', 'disks/one');
    await ceph.fileSystem('files');
    // No more than is needed: what works with these works.
    keys = {
      rbd: await ceph.user('yado-rbd', { mon: 'profile rbd', osd: 'profile rbd pool=disks namespace=one', mgr: 'profile rbd pool=disks' }),
      cephfs: await ceph.user('yado-cephfs', { mon: 'allow r, allow command "osd blocklist"', mgr: 'allow rw', mds: 'allow rw', osd: 'allow rw tag cephfs data=files, allow rwx tag cephfs metadata=files' }),
    };
  });
  after(() => ceph?.[Symbol.asyncDispose]());

  describe('for images', () => {
    let driver: CsiDriverUnderTest;
    let volumes: CsiVolumes;
    const nothingIsLeft = (): Promise<void> => again(async () => {
      // Whoever removes something takes along what could not go before.
      await driver.call('DeleteVolume', { volumeId: 'nothing' });
      assert.deepEqual(await leftBy(driver), []);
      assert.equal(await ceph.rbd('ls', 'disks/one') + await ceph.rbd('trash', 'ls', '--all', 'disks/one'), '');
    }, 40_000);

    before(async () => {
      driver = await CsiDriverUnderTest.start(backendOf('rbd'));
      volumes = new CsiVolumes(driver);
    });
    after(() => driver?.[Symbol.asyncDispose]());

    it('passes the sanity tests of CSI', async () => {
      const { passed, failed, said } = await runSanity(driver);
      assert.ok(failed === 0 && passed >= 60, said);
      await nothingIsLeft();
    });

    it('keeps what was written: in a snapshot, in a clone, on a larger volume, whatever of them goes first', async () => {
      const one = await volumes.create('one');
      const path = await volumes.publish(one, 'one');
      await writeFile(join(path, 'file'), 'before', { flush: true });
      const snapshot = await volumes.snapshot(one, 'then');
      await writeFile(join(path, 'file'), 'after', { flush: true });
      const then = await volumes.create('then', { capacityRange: { requiredBytes: 64 * MI }, volumeContentSource: { snapshot: { snapshotId: snapshot } } });
      const now = await volumes.create('now', { parameters: { flatten: 'always' }, volumeContentSource: { volume: { volumeId: one } } });
      await volumes.unpublishAndRemove(one, 'one');
      const late = await volumes.create('late', { volumeContentSource: { snapshot: { snapshotId: snapshot } } });
      await volumes.removeSnapshot(snapshot);
      for (const [id, name, content] of [[then, 'then', 'before'], [now, 'now', 'after'], [late, 'late', 'before']] as const) {
        assert.equal(await readFile(join(await volumes.publish(id, name), 'file'), 'utf8'), content);
      }
      assert.ok(await volumes.totalBytes(then, 'then') > 50 * MI);
      for (const [id, name] of [[then, 'then'], [now, 'now'], [late, 'late']] as const) await volumes.unpublishAndRemove(id, name);
      await nothingIsLeft();
    });

    it('grows a volume that is in use', async () => {
      const id = await volumes.create('grown', { capacityRange: { requiredBytes: 320 * MI } });
      const path = await volumes.publish(id, 'grown', mountable('xfs'));
      await writeFile(join(path, 'file'), 'kept');
      await volumes.expand(id, 'grown', 400 * MI);
      assert.ok(await volumes.totalBytes(id, 'grown') > 330 * MI);
      assert.equal(await readFile(join(path, 'file'), 'utf8'), 'kept');
      await volumes.unpublishAndRemove(id, 'grown');
    });

    it('removes no volume that is attached, also when the driver was killed meanwhile, and that goes on', async () => {
      const id = await volumes.create('used');
      const path = await volumes.publish(id, 'used');
      await driver.kill({ children: true });
      await writeFile(join(path, 'file'), 'written while nobody serves', { flush: true });
      await driver.run();
      await assert.rejects(volumes.remove(id), /FAILED_PRECONDITION.*is published to node n1/);
      assert.equal(await volumes.publish(id, 'used'), path);
      assert.equal(await readFile(join(path, 'file'), 'utf8'), 'written while nobody serves');
      await volumes.unpublishAndRemove(id, 'used');
      await nothingIsLeft();
    });

    it('is the same block device on two nodes, as a machine that moves needs it', async () => {
      const id = await volumes.create('raw', { volumeCapabilities: [block('MULTI_NODE_MULTI_WRITER')] });
      await using other = await CsiDriverUnderTest.start(backendOf('rbd'), { node: 'n2' });
      const there = new CsiVolumes(other);
      const [here, away] = [await volumes.publish(id, 'raw', block('MULTI_NODE_MULTI_WRITER')), await there.publish(id, 'raw', block('MULTI_NODE_MULTI_WRITER'))];
      for (const [from, to, content] of [[here, away, 'from here'], [away, here, 'from away']] as const) {
        await writeBlock(from, content);
        assert.ok((await readBlock(to)).startsWith(content));
      }
      await there.unpublish(id, 'raw');
      assert.deepEqual(await other.inUse(), []);
      await volumes.unpublishAndRemove(id, 'raw');
      await nothingIsLeft();
    });

    it('shuts out a node that may be dead or not, so that another can go on', async () => {
      const id = await volumes.create('fenced', { volumeCapabilities: [block()] });
      const path = await volumes.publish(id, 'fenced', block());
      await using other = await CsiDriverUnderTest.start(backendOf('rbd'), { node: 'n2' });
      const there = new CsiVolumes(other);
      await writeBlock(path, 'before');
      await assert.rejects(there.publish(id, 'fenced', block()), /FAILED_PRECONDITION.*is published to node n1, and node n2 cannot have it as well/);
      await other.call('ControllerUnpublishVolume', { volumeId: id, nodeId: 'n1' });
      await assert.rejects(writeBlock(path, 'never'), /Input\/output error/);
      const after = await there.publish(id, 'fenced', block());
      assert.ok((await readBlock(after)).startsWith('before'));
      await writeBlock(after, 'goes on');
      await assert.rejects(volumes.publish(id, 'fenced', block()), /FAILED_PRECONDITION.*published to node n2/);
      await there.unpublish(id, 'fenced');
      // The node that was shut out is back, and has the volume anew.
      await volumes.unpublish(id, 'fenced');
      const back = await volumes.publish(id, 'fenced', block());
      assert.ok((await readBlock(back)).startsWith('goes on'));
      await writeBlock(back, 'anew');
      await volumes.unpublishAndRemove(id, 'fenced');
      await nothingIsLeft();
    });

    it('lets many nodes read the files of one', async () => {
      const reading = mountable('', 'MULTI_NODE_READER_ONLY');
      const id = await volumes.create('read', { volumeCapabilities: [mountable(), reading] });
      await writeFile(join(await volumes.publish(id, 'read'), 'file'), 'written once', { flush: true });
      await volumes.unpublish(id, 'read');
      await using other = await CsiDriverUnderTest.start(backendOf('rbd'), { node: 'n2' });
      const there = new CsiVolumes(other);
      for (const path of [await volumes.publish(id, 'read', reading), await there.publish(id, 'read', reading)]) {
        assert.equal(await readFile(join(path, 'file'), 'utf8'), 'written once');
        await assert.rejects(writeFile(join(path, 'file'), 'x'), { code: 'EROFS' });
      }
      await there.unpublish(id, 'read');
      await volumes.unpublishAndRemove(id, 'read');
      await nothingIsLeft();
    });

    for (const [what, request, said] of [
      ['an unknown parameter', { parameters: { colour: 'blue' } }, /INVALID_ARGUMENT.*parameter colour is not known; known are flatten/],
      ['a parameter that makes no sense', { parameters: { flatten: 'maybe' } }, /INVALID_ARGUMENT.*parameter flatten is "maybe": it must be never or always/],
      ['no size that can be', { capacityRange: { limitBytes: 1000 } }, /INVALID_ARGUMENT.*a multiple of 1048576 bytes: none fits between 1000 and 1000/],
      ['more than there is', { capacityRange: { requiredBytes: 2 ** 60 } }, /RESOURCE_EXHAUSTED.*pool disks has [0-9]+ in all/],
      ['files for many nodes', { volumeCapabilities: [shared] }, /INVALID_ARGUMENT.*is not for many nodes; it is for one node or many nodes, reading/],
      ['a source that is not there', nowhere, /NOT_FOUND/],
    ] as const) {
      it(`refuses ${what}, and makes nothing`, async () => {
        await assert.rejects(volumes.create('refused', request), said);
        await nothingIsLeft();
      });
    }

    it('makes nothing smaller', async () => {
      const id = await volumes.create('kept', { capacityRange: { requiredBytes: 64 * MI } });
      await assert.rejects(driver.call('ControllerExpandVolume', { volumeId: id, capacityRange: { requiredBytes: 32 * MI, limitBytes: 40 * MI } }), /INVALID_ARGUMENT.*no volume becomes smaller/);
      await assert.rejects(volumes.create('kept', { capacityRange: { requiredBytes: 96 * MI } }), /ALREADY_EXISTS/);
      await assert.rejects(volumes.create('small', { volumeContentSource: { volume: { volumeId: id } } }), /INVALID_ARGUMENT.*too small for its source/);
      await volumes.remove(id);
      await nothingIsLeft();
    });

    for (const [what, more, said] of [
      ['a key that is not taken', () => ({ secret: { user: 'yado-rbd', key: keys.cephfs } }), /UNAVAILABLE.*does not take the key of client[.]yado-rbd/],
      ['a monitor that is not there', () => ({ settings: { monitors: ['127.0.0.1:1'], pool: 'disks' } }), /UNAVAILABLE.*127[.]0[.]0[.]1:1 cannot be reached/],
      ['a pool that is not there', () => ({ settings: { monitors: ceph.monitors, pool: 'nowhere' } }), /INVALID_ARGUMENT.*there is no pool nowhere/],
    ] as const) {
      it(`says so, and keeps nobody waiting, for ${what}`, async () => {
        await using astray = await CsiDriverUnderTest.start({ ...backendOf('rbd'), ...more() }, { ready: false });
        // Whoever calls gives up after a minute, which would be another error.
        await assert.rejects(new CsiVolumes(astray).create('never'), said);
        assert.equal((await astray.call('Probe'))['ready'].value, false);
      });
    }

    describeKills('images', () => ({ driver, volumes, nothingIsLeft, capability: mountable() }));
  });

  describe('for files', () => {
    let driver: CsiDriverUnderTest;
    let volumes: CsiVolumes;
    const create = (name: string, more: object = {}): Promise<string> => again(() => volumes.create(name, { volumeCapabilities: [shared], ...more }));
    const nothingIsLeft = (): Promise<void> => again(async () => {
      assert.deepEqual(await leftBy(driver), []);
      assert.deepEqual(JSON.parse(await ceph.ceph('fs', 'subvolume', 'ls', 'files', 'csi')), []);
    }, 40_000);

    before(async () => {
      driver = await CsiDriverUnderTest.start(backendOf('cephfs'));
      volumes = new CsiVolumes(driver);
    });
    after(() => driver?.[Symbol.asyncDispose]());

    it('passes the sanity tests of CSI', async () => {
      const { passed, failed, said } = await runSanity(driver);
      assert.ok(failed === 0 && passed >= 60, said);
      await nothingIsLeft();
    });

    it('shows two nodes the same files, and lets their locks exclude each other', async () => {
      const id = await create('both');
      await using other = await CsiDriverUnderTest.start(backendOf('cephfs'), { node: 'n2' });
      const there = new CsiVolumes(other);
      const [here, away] = [await volumes.publish(id, 'both', shared), await there.publish(id, 'both', shared)];
      await writeFile(join(here, 'file'), 'from here');
      assert.equal(await readFile(join(away, 'file'), 'utf8'), 'from here');
      await appendFile(join(away, 'file'), ', and back');
      assert.equal(await readFile(join(here, 'file'), 'utf8'), 'from here, and back');
      for (const call of ['flock', 'lockf']) {
        const held = await holdLock(call, join(here, 'file'));
        await assert.rejects(lockNow(call, join(away, 'file')), /BlockingIOError/);
        await held();
        await lockNow(call, join(away, 'file'));
      }
      await there.unpublish(id, 'both');
      assert.deepEqual(await other.inUse(), []);
      await volumes.unpublishAndRemove(id, 'both');
      await nothingIsLeft();
    });

    it('keeps what was written: in a snapshot, in a clone, whatever of them goes first', async () => {
      const one = await create('one');
      const path = await volumes.publish(one, 'one', shared);
      await writeFile(join(path, 'file'), 'before', { flush: true });
      const snapshot = await volumes.snapshot(one, 'then');
      await writeFile(join(path, 'file'), 'after', { flush: true });
      const now = await create('now', { volumeContentSource: { volume: { volumeId: one } } });
      await again(() => volumes.unpublishAndRemove(one, 'one'));
      const then = await create('then', { capacityRange: { requiredBytes: 64 * MI }, volumeContentSource: { snapshot: { snapshotId: snapshot } } });
      await again(() => volumes.removeSnapshot(snapshot));
      for (const [id, name, content] of [[then, 'then', 'before'], [now, 'now', 'after']] as const) {
        assert.equal(await readFile(join(await volumes.publish(id, name, shared), 'file'), 'utf8'), content);
      }
      assert.equal(await volumes.totalBytes(then, 'then'), 64 * MI);
      for (const [id, name] of [[then, 'then'], [now, 'now']] as const) await volumes.unpublishAndRemove(id, name);
      await nothingIsLeft();
    });

    it('gives no more than was asked for, and more when it has grown', async () => {
      const id = await create('full');
      const path = await volumes.publish(id, 'full', shared);
      const fill = async (mebibytes: number): Promise<void> => {
        for (let count = 0; count < mebibytes; count += 1) await appendFile(join(path, 'large'), Buffer.alloc(MI), { flush: true });
      };
      // EDQUOT, which Node has no name for.
      await assert.rejects(fill(80), { errno: -122 });
      await volumes.expand(id, 'full', 128 * MI);
      assert.equal(await volumes.totalBytes(id, 'full'), 128 * MI);
      await fill(40);
      await volumes.unpublishAndRemove(id, 'full');
      await nothingIsLeft();
    });

    it('goes on when the driver is killed', async () => {
      const id = await create('used');
      const path = await volumes.publish(id, 'used', shared);
      await driver.kill({ children: true });
      await writeFile(join(path, 'file'), 'written while nobody serves', { flush: true });
      await driver.run();
      assert.equal(await volumes.publish(id, 'used', shared), path);
      assert.equal(await readFile(join(path, 'file'), 'utf8'), 'written while nobody serves');
      await volumes.unpublishAndRemove(id, 'used');
      await nothingIsLeft();
    });

    for (const [what, request, said] of [
      ['an unknown parameter', { parameters: { colour: 'blue' } }, /INVALID_ARGUMENT.*parameter colour is not known; known are none/],
      ['no size that can be', { capacityRange: { limitBytes: 1000 } }, /INVALID_ARGUMENT.*none fits between 1000 and 1000/],
      ['more than there is', { capacityRange: { requiredBytes: 2 ** 60 } }, /RESOURCE_EXHAUSTED/],
      ['a block device', { volumeCapabilities: [block()] }, /INVALID_ARGUMENT.*a block volume of this kind is not for one node; it is for nobody/],
      ['a source that is not there', nowhere, /NOT_FOUND/],
    ] as const) {
      it(`refuses ${what}, and makes nothing`, async () => {
        await assert.rejects(volumes.create('refused', request), said);
        await nothingIsLeft();
      });
    }

    it('shuts out a node that may be dead or not, and that alone', async () => {
      const id = await create('fenced');
      await using other = await CsiDriverUnderTest.start(backendOf('cephfs'), { node: 'n2' });
      const there = new CsiVolumes(other);
      const path = await there.publish(id, 'fenced', shared);
      await writeFile(join(path, 'file'), 'kept', { flush: true });
      const here = await volumes.publish(id, 'fenced', shared);
      await driver.call('ControllerUnpublishVolume', { volumeId: id, nodeId: 'n2' });
      await assert.rejects(writeFile(join(path, 'other'), 'never', { flush: true }), /ESHUTDOWN/);
      assert.equal(await readFile(join(here, 'file'), 'utf8'), 'kept');
      await writeFile(join(here, 'file'), 'goes on', { flush: true });
      await there.unpublish(id, 'fenced');
      assert.deepEqual(await other.inUse(), []);
      assert.equal(await readFile(join(await there.publish(id, 'fenced', shared), 'file'), 'utf8'), 'goes on');
      await there.unpublish(id, 'fenced');
      await volumes.unpublishAndRemove(id, 'fenced');
      await nothingIsLeft();
    });

    it('says that the cluster is away when it is, and goes on when it is back', async () => {
      const id = await create('meanwhile');
      const path = await volumes.publish(id, 'meanwhile', shared);
      await ceph.kill('mon');
      const written = writeFile(join(path, 'file'), 'while the monitor is away');
      try {
        // The manager and the disks go on, so a volume may still be made; how much room there is, monitors alone know.
        const [capacity, probe] = await Promise.allSettled([driver.call('GetCapacity'), driver.call('Probe')]);
        assert.match(String(capacity.status === 'rejected' && capacity.reason), /UNAVAILABLE/);
        assert.equal(probe.status === 'fulfilled' && probe.value['ready'].value, false);
      } finally {
        ceph.run('mon');
      }
      await written;
      const later = await again(() => volumes.create('later'));
      assert.equal((await driver.call('Probe'))['ready'].value, true);
      await volumes.remove(later);
      await volumes.unpublishAndRemove(id, 'meanwhile');
      await nothingIsLeft();
    });

    it('says that no file system of this name is there', async () => {
      await using astray = await CsiDriverUnderTest.start(backendOf('cephfs', { filesystem: 'nowhere' }), { ready: false });
      await assert.rejects(new CsiVolumes(astray).create('never'), /INVALID_ARGUMENT.*there is no file system nowhere; there are files/);
    });

    describeKills('files', () => ({ driver, volumes, nothingIsLeft, capability: shared }));
  });
});

/** Writes past all caches. */
async function writeBlock(device: string, content: string): Promise<void> {
  await run('dd', [`of=${device}`, 'bs=4096', 'conv=notrunc,sync,fsync', 'oflag=direct', 'iflag=fullblock', 'status=none'], { input: content.padEnd(4096, '.') });
}

async function readBlock(device: string): Promise<string> {
  return run('dd', [`if=${device}`, 'bs=4096', 'count=1', 'iflag=direct', 'status=none']);
}

async function leftBy(driver: CsiDriverUnderTest): Promise<readonly unknown[]> {
  return [...(await driver.call('ListVolumes'))['entries'], ...(await driver.call('ListSnapshots'))['entries'], ...await driver.inUse()];
}

const LOCK = 'import fcntl, sys; file = open(sys.argv[2], "r+"); getattr(fcntl, sys.argv[1])(file, fcntl.LOCK_EX | fcntl.LOCK_NB); print("held", flush=True); sys.stdin.read()';

async function lockNow(call: string, file: string): Promise<void> {
  await run('/usr/bin/python3', ['-c', LOCK, call, file]);
}

/** Holds a lock in another process until what it gives is called. */
async function holdLock(call: string, file: string): Promise<() => Promise<void>> {
  const child = spawn('/usr/bin/python3', ['-c', LOCK, call, file], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return async () => {
    const ended = once(child, 'exit');
    child.stdin.end();
    await ended;
  };
}
