import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openCephSource } from '../../src/agent/ceph-source.ts';
import { copyDisk, startOf, verifyCopy, type CopyOptions } from '../../src/agent/disk-copy.ts';
import { DiskTarget } from '../../src/agent/disk-target.ts';
import type { CephSource, DiskCopyProgress } from '../../src/api/disk-copies.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { silentProgress } from '../../src/base/progress.ts';
import { run } from '../../src/base/process.ts';
import { ensurePackages } from '../../src/local/packages.ts';
import type { CephUser } from '../../src/storage/drivers/ceph/settings.ts';
import { VOLUME_FILE } from '../../src/vm/disks/volume-file.ts';
import { CephCluster } from '../env/ceph-cluster.ts';
import { cephPackages } from '../env/ceph-packages.ts';

const MI = 2 ** 20;
const SEGMENT = 4 * MI;
const SIZE = 40 * MI;
const IMAGE = 'volume-1';

describe('a disk of a cloud whose volumes are in a Ceph', { timeout: 300_000 }, () => {
  let ceph: CephCluster;
  let user: CephUser;
  let target: string;
  const read: number[] = [];

  before(async () => {
    await ensurePackages({ progress: silentProgress, install: true, extra: cephPackages, environment: process.env });
    ceph = await CephCluster.start();
    for (const pool of ['images', 'volumes']) await ceph.pool(pool);
    user = { user: 'mover', key: await ceph.user('mover', { mon: 'profile rbd', osd: 'profile rbd pool=volumes, profile rbd-read-only pool=images' }) };
    // As Cinder makes one of an image: a copy that shares its content.
    const golden = join(ceph.folder, 'golden');
    await writeFile(golden, randomBytes(3 * SEGMENT + 1234));
    await truncate(golden, SIZE);
    await ceph.rbd('import', golden, 'images/golden');
    await ceph.rbd('snap', 'create', 'images/golden@snap');
    await ceph.rbd('snap', 'protect', 'images/golden@snap');
    await ceph.rbd('clone', 'images/golden@snap', `volumes/${IMAGE}`);
    target = join(ceph.folder, 'claim');
    await mkdir(target);
  });
  after(() => ceph?.[Symbol.asyncDispose]());

  const sourceOf = (more: Partial<CephSource>): CephSource => ({ monitors: ceph.monitors, pool: 'volumes', image: IMAGE, ...more });
  const opened = (source: CephSource, as = user) => openCephSource(source, { user: as, folder: join(ceph.folder, 'run'), clock: systemClock, signal: new AbortController().signal, log: silentLog });
  /** One pass, as an agent does it; what it has read is in `read`. */
  const pass = async (more: Partial<CephSource>): Promise<DiskCopyProgress> => {
    read.length = 0;
    await using source = await opened(sourceOf(more));
    await using disk = await DiskTarget.open({ path: target, mode: 'Filesystem', sizeBytes: SIZE });
    const options: CopyOptions = { target: disk, clock: systemClock, signal: new AbortController().signal, checkpoint: async () => {}, ...(source.changed === undefined ? {} : { changed: source.changed }) };
    const noted = { sizeBytes: source.disk.sizeBytes, read: (offset: number, into: Buffer) => { read.push(offset / SEGMENT); return source.disk.read(offset, into); } };
    return await verifyCopy(await copyDisk(noted, startOf(JSON.stringify(more), SIZE), options), options);
  };
  /** What the server writes to its volume. */
  const scribble = async (...segments: readonly number[]): Promise<void> => {
    const path = join(ceph.folder, 'scribble');
    await writeFile(path, randomBytes(100_000));
    for (const segment of segments) await run('qemu-io', ['-f', 'raw', '-c', `write -s ${path} ${segment * SEGMENT + 500_224} 99840`, `rbd:volumes/${IMAGE}:conf=${ceph.site.conf}:id=admin`]);
  };
  const isSame = async (): Promise<boolean> => {
    const exported = join(ceph.folder, 'exported');
    await run('rm', ['-f', exported]);
    await ceph.rbd('export', `volumes/${IMAGE}`, exported);
    return (await readFile(exported)).equals(await readFile(join(target, VOLUME_FILE)));
  };

  it('is copied as a snapshot has it, while the server writes', async () => {
    await scribble(5);
    await ceph.rbd('snap', 'create', `volumes/${IMAGE}@first`);
    await scribble(1, 8);
    const { writtenBytes, offsetBytes } = await pass({ snapshot: 'first' });
    assert.deepEqual([offsetBytes, read.length], [SIZE, SIZE / SEGMENT]);
    assert.equal(writtenBytes, 5 * SEGMENT, 'four segments of the image, and one of its own');
    assert.equal(await isSame(), false);
  });

  it('is made what the stopped server has left by what has changed since, and by nothing else', async () => {
    const { writtenBytes } = await pass({ since: 'first' });
    assert.deepEqual([read.toSorted((a, b) => a - b), writtenBytes], [[1, 8], 2 * SEGMENT]);
    assert.ok(await isSame());
    assert.equal((await pass({ since: 'first' })).writtenBytes, 0, 'said again, nothing is written');
  });

  it('goes on where a pass was broken off', async () => {
    await scribble(2, 6, 9);
    await using source = await opened(sourceOf({ since: 'first' }));
    await using disk = await DiskTarget.open({ path: target, mode: 'Filesystem', sizeBytes: SIZE });
    const abandoned = new AbortController();
    let noted = startOf('again', SIZE);
    const options: CopyOptions = { target: disk, clock: systemClock, signal: abandoned.signal, checkpointMs: 0, checkpoint: async (progress) => { noted = progress; if (progress.offsetBytes >= 3 * SEGMENT) abandoned.abort(new Error('killed')); }, ...(source.changed === undefined ? {} : { changed: source.changed }) };
    await assert.rejects(copyDisk(source.disk, noted, options), /killed/);
    const rest: CopyOptions = { ...options, signal: new AbortController().signal, checkpoint: async () => {} };
    await verifyCopy(await copyDisk(source.disk, startOf('again', SIZE, noted), rest), rest);
    assert.ok(await isSame());
  });

  it('is copied as a whole where nobody can tell what has changed', async () => {
    await scribble(7);
    const { writtenBytes } = await pass({ since: 'gone' });
    assert.deepEqual([read.length, writtenBytes], [SIZE / SEGMENT, SEGMENT]);
    assert.ok(await isSame());
  });

  it('says what is not there, and who may not have it, and leaves no process and no key behind', async () => {
    await assert.rejects(opened(sourceOf({ image: 'volume-2' })), { code: 'SourceMissing', message: /pool volumes of Ceph has no image volume-2: .*spec.ceph.volumeTypes/ });
    await assert.rejects(opened(sourceOf({ snapshot: 'none' })), { code: 'SourceMissing', message: /no image volume-1 with a snapshot none/ });
    await assert.rejects(opened(sourceOf({ pool: 'elsewhere' })), /there is no pool elsewhere/);
    await assert.rejects(opened(sourceOf({ monitors: [`${ceph.monitors[0]}\nlog_file = /tmp/written`] })), { code: 'InvalidRequest' });
    await assert.rejects(opened(sourceOf({}), { ...user, key: 'AQBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB==' }), { code: 'BackendUnreachable', message: /does not take the key of client.mover/ });
    assert.deepEqual((await readdir(ceph.folder)).filter((name) => name === 'run'), []);
    assert.equal(await run('sh', ['-c', 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " " | grep -c "qemu-storage-daemon.*[v]olume-1" || true']).then((text) => text.trim()), '0');
  });
});
