import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import type { DiskCopyProgress } from '../api/disk-copies.ts';
import { systemClock } from '../base/clock.ts';
import { VOLUME_FILE } from '../vm/disks/volume-file.ts';
import { beginning, copyDisk, CopyMismatchError, startOf, verifyCopy, type CopyOptions, type CopyTarget } from './disk-copy.ts';
import { SEGMENT_BYTES, touchedBy, type ReadableDisk } from './disk-segments.ts';
import { DiskTarget } from './disk-target.ts';

/** Five segments, of which the third is zeros and the last is short. */
const SIZE = 4 * SEGMENT_BYTES + 70_000;
const content = Buffer.concat([randomBytes(2 * SEGMENT_BYTES), Buffer.alloc(SEGMENT_BYTES), randomBytes(SIZE - 3 * SEGMENT_BYTES)]);

const root = await mkdtemp(join(tmpdir(), 'yado-copy-'));
after(() => rm(root, { recursive: true, force: true }));
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(root, 'claim-'));
});

const sourceOf = (data: Buffer): ReadableDisk => ({ sizeBytes: data.length, read: async (offset, into) => void data.copy(into, 0, offset) });
const open = (sizeBytes = SIZE) => DiskTarget.open({ path: folder, mode: 'Filesystem', sizeBytes });
async function part(target: DiskTarget, offset: number, lengthBytes: number): Promise<Buffer> {
  const data = Buffer.alloc(lengthBytes);
  await target.read(offset, data);
  return data;
}

const copied = () => readFile(join(folder, VOLUME_FILE));

/** Chained as the documentation of DiskCopyProgress says, in another way. */
function digestOf(data: Buffer): string {
  const sha256 = (...parts: readonly Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
  let digest: Buffer = Buffer.alloc(32);
  for (let offset = 0; offset < data.length; offset += SEGMENT_BYTES) digest = sha256(digest, sha256(data.subarray(offset, offset + SEGMENT_BYTES)));
  return digest.toString('hex');
}

function optionsFor(target: CopyTarget, more: Partial<CopyOptions> = {}) {
  const noted: DiskCopyProgress[] = [];
  const options: CopyOptions = { target, clock: systemClock, signal: new AbortController().signal, checkpointMs: 0, checkpoint: async (progress) => void noted.push(progress), ...more };
  return { noted, options };
}

async function copyAll(data: Buffer, start = beginning('i1')): Promise<DiskCopyProgress> {
  await using target = await open();
  const { options } = optionsFor(target);
  return await verifyCopy(await copyDisk(sourceOf(data), start, options), options);
}

describe('a copy of a disk', () => {
  it('has what the disk has, and a digest of all of it', async () => {
    assert.deepEqual(await copyAll(content), { image: 'i1', phase: 'Verifying', offsetBytes: SIZE, writtenBytes: SIZE - SEGMENT_BYTES, digest: digestOf(content) });
    assert.ok((await copied()).equals(content));
  });

  it('stays sparse where the disk is zeros', async () => {
    await copyAll(content);
    assert.ok((await stat(join(folder, VOLUME_FILE))).blocks * 512 < SIZE - SEGMENT_BYTES / 2);
  });

  it('writes what differs and nothing else', async () => {
    await copyAll(content);
    const changed = Buffer.from(content);
    changed[SEGMENT_BYTES + 17] = changed.readUInt8(SEGMENT_BYTES + 17) ^ 1;
    changed[SIZE - 1] = changed.readUInt8(SIZE - 1) ^ 1;
    assert.equal((await copyAll(changed)).writtenBytes, SEGMENT_BYTES + 70_000);
    assert.ok((await copied()).equals(changed));
    assert.equal((await copyAll(changed)).writtenBytes, 0);
  });

  it('leaves alone what cannot have changed, and still sees that what was copied is there', async () => {
    await copyAll(content);
    const changed = Buffer.from(content);
    for (const at of [5, 3 * SEGMENT_BYTES + 17]) changed[at] = changed.readUInt8(at) ^ 1;
    await using target = await open();
    const asked: number[] = [];
    const source = sourceOf(changed);
    const counting: ReadableDisk = { sizeBytes: SIZE, read: (offset, into) => { asked.push(offset); return source.read(offset, into); } };
    const { options } = optionsFor(target, { changed: touchedBy([[3 * SEGMENT_BYTES + 10, 100]]) });
    const { writtenBytes } = await verifyCopy(await copyDisk(counting, beginning('i2'), options), options);
    assert.deepEqual([asked, writtenBytes], [[3 * SEGMENT_BYTES], SEGMENT_BYTES]);
    const expected = Buffer.from(content);
    changed.copy(expected, 3 * SEGMENT_BYTES, 3 * SEGMENT_BYTES, 4 * SEGMENT_BYTES);
    assert.ok((await copied()).equals(expected));
    const forgetful: CopyTarget = { sizeBytes: SIZE, flush: async () => {}, holds: async () => true, write: async () => {}, read: (offset, into) => target.read(offset, into) };
    const wrong = { ...options, target: forgetful };
    await assert.rejects(verifyCopy(await copyDisk(sourceOf(Buffer.alloc(SIZE, 1)), beginning('i3'), wrong), wrong), CopyMismatchError);
  });

  it('looks at each segment that a range touches', () => {
    const isWanted = touchedBy([[SEGMENT_BYTES - 1, 2], [4 * SEGMENT_BYTES, 1], [6 * SEGMENT_BYTES, 0]]);
    assert.deepEqual([0, 1, 2, 3, 4, 5, 6].filter((number) => isWanted(number * SEGMENT_BYTES)), [0, 1, 4]);
  });

  it('of a shorter image ends with zeros, whatever was there', async () => {
    await writeFile(join(folder, VOLUME_FILE), randomBytes(SIZE));
    const short = content.subarray(0, SEGMENT_BYTES + 1000);
    const whole = Buffer.concat([short, Buffer.alloc(SIZE - short.length)]);
    assert.equal((await copyAll(short)).digest, digestOf(whole));
    assert.ok((await copied()).equals(whole));
  });

  it('of a larger disk is refused, and nothing is written', async () => {
    await assert.rejects(copyAll(Buffer.concat([content, Buffer.alloc(1)])), { code: 'DiskTooSmall', disposition: 'stalled' });
    assert.ok((await copied()).equals(Buffer.alloc(SIZE)));
  });

  it('goes on wherever it was killed, and asks for nothing again that it has noted', async () => {
    for (let killAt = 1; killAt <= 5; killAt += 1) {
      await rm(join(folder, VOLUME_FILE), { force: true });
      const start = startOf('i1', SIZE, (await killedAt(killAt)).at(-1));
      assert.equal(start.offsetBytes, (killAt - 1) * SEGMENT_BYTES);
      const asked: number[] = [];
      await using target = await open();
      const { options } = optionsFor(target);
      const source: ReadableDisk = { sizeBytes: SIZE, read: (offset, into) => (asked.push(offset), sourceOf(content).read(offset, into)) };
      const whole = await copyDisk(source, start, options);
      assert.equal(Math.min(...asked), start.offsetBytes);
      assert.equal((await verifyCopy(whole, options)).digest, digestOf(content));
      assert.ok((await copied()).equals(content));
    }
  });

  it('begins anew where another is on the disk than was copied there', async () => {
    await using target = await open();
    const { noted, options } = optionsFor(target);
    const whole = await copyDisk(sourceOf(content), beginning('i1'), options);
    await target.write(2 * SEGMENT_BYTES + 5, Buffer.from('x'));
    await assert.rejects(verifyCopy(whole, options), CopyMismatchError);
    assert.deepEqual(noted.at(-1), beginning('i1'));
    const mended = await verifyCopy(await copyDisk(sourceOf(content), startOf('i1', SIZE, noted.at(-1)), options), options);
    assert.equal(mended.writtenBytes, SEGMENT_BYTES);
    assert.ok((await copied()).equals(content));
  });

  it('notes only what is on the disk already', async () => {
    await using file = await open();
    let unflushed = 0;
    const target: CopyTarget = {
      sizeBytes: SIZE,
      read: (offset, into) => file.read(offset, into),
      holds: (offset, data) => file.holds(offset, data),
      write: (offset, data) => (unflushed += data.length, file.write(offset, data)),
      flush: async () => void (unflushed = 0),
    };
    const unsaved: number[] = [];
    const { options } = optionsFor(target, { checkpoint: async () => void unsaved.push(unflushed) });
    await copyDisk(sourceOf(content), beginning('i1'), options);
    assert.deepEqual(unsaved, [0, 0, 0, 0, 0, 0]);
  });

  it('tells how far it is no more often than it is to', async () => {
    await using target = await open();
    const { noted, options } = optionsFor(target, { checkpointMs: 3_600_000 });
    await verifyCopy(await copyDisk(sourceOf(content), beginning('i1'), options), options);
    assert.deepEqual(noted.map(({ phase, offsetBytes }) => [phase, offsetBytes]), [['Verifying', 0], ['Verifying', SIZE]]);
  });

  it('asks for no more than three segments before they are written', async () => {
    let asked = 0;
    let most = 0;
    const source: ReadableDisk = { sizeBytes: SIZE, read: (offset, into) => (most = Math.max(most, asked += 1), sourceOf(content).read(offset, into)) };
    await using target = await open();
    const { options } = optionsFor(target, { checkpoint: async () => void (asked -= 1) });
    await copyDisk(source, beginning('i1'), options);
    assert.equal(most, 3);
  });

  it('fails as its source does', async () => {
    await using target = await open();
    const { options } = optionsFor(target);
    const source: ReadableDisk = { sizeBytes: SIZE, read: (offset, into) => (offset < 2 * SEGMENT_BYTES ? sourceOf(content).read(offset, into) : Promise.reject(new Error('the cloud is gone'))) };
    await assert.rejects(copyDisk(source, beginning('i1'), options), /the cloud is gone/);
  });

  /** Ends with the segment of this number, half of which is on the disk then where it is written; gives what was noted. */
  async function killedAt(number: number): Promise<readonly DiskCopyProgress[]> {
    await using file = await open();
    const begin = (number - 1) * SEGMENT_BYTES;
    const target: CopyTarget = {
      sizeBytes: SIZE,
      flush: () => file.flush(),
      // Zeros are not written: there it ends before it can see that.
      holds: (offset, data) => (offset === begin && number === 3 ? Promise.reject(new Error('killed')) : file.holds(offset, data)),
      read: (offset, into) => file.read(offset, into),
      write: async (offset, data) => {
        await file.write(offset, offset === begin ? data.subarray(0, data.length / 2) : data);
        if (offset === begin) throw new Error('killed');
      },
    };
    const { noted, options } = optionsFor(target);
    await assert.rejects(copyDisk(sourceOf(content), beginning('i1'), options), /killed/);
    return noted;
  }
});

describe('where a copy begins', () => {
  const halfway: DiskCopyProgress = { image: 'i1', phase: 'Copying', offsetBytes: SEGMENT_BYTES, writtenBytes: 5, digest: 'ab'.repeat(32) };

  it('is where its own pod came to, else where the one before did', () => {
    const before = { ...halfway, offsetBytes: 2 * SEGMENT_BYTES };
    assert.equal(startOf('i1', SIZE, halfway, before), halfway);
    assert.equal(startOf('i1', SIZE, undefined, before), before);
    assert.equal(startOf('i1', SIZE, { ...halfway, image: 'i0' }, before), before);
  });

  it('is the beginning for another image, and for what cannot be', () => {
    for (const odd of [
      { ...halfway, image: 'i0' }, { ...halfway, offsetBytes: 5 }, { ...halfway, offsetBytes: -SEGMENT_BYTES }, { ...halfway, offsetBytes: 99 * SEGMENT_BYTES },
      { ...halfway, digest: 'ab' }, { ...halfway, writtenBytes: 0.5 }, { ...halfway, phase: 'Odd' as 'Copying' },
    ]) assert.deepEqual(startOf('i1', SIZE, odd), beginning('i1'));
  });
});

describe('the disk in a claim', () => {
  it('is a file of just its size, made larger or smaller where there is one', async () => {
    for (const before of [0, 100, SIZE + 5]) {
      await writeFile(join(folder, VOLUME_FILE), Buffer.alloc(before, 1));
      await using target = await open();
      assert.equal((await stat(join(folder, VOLUME_FILE))).size, target.sizeBytes);
    }
  });

  it('is read past the page cache', async () => {
    await using target = await open();
    await target.write(SEGMENT_BYTES, content.subarray(0, 100));
    assert.ok((await part(target, SEGMENT_BYTES, 100)).equals(content.subarray(0, 100)));
    assert.ok((await part(target, 4 * SEGMENT_BYTES, 70_000)).equals(Buffer.alloc(70_000)));
    assert.ok(target.isDirect);
  });

  it('is read through it where it cannot be past it', async () => {
    await copyAll(content);
    await using target = await open();
    // Not where a page begins: as of a file system that knows no other way.
    assert.ok((await part(target, 100, 5000)).equals(content.subarray(100, 5100)));
    assert.ok(!target.isDirect);
    assert.ok((await part(target, SEGMENT_BYTES, SEGMENT_BYTES)).equals(content.subarray(SEGMENT_BYTES, 2 * SEGMENT_BYTES)));
  });

  it('is no link to a file elsewhere', async () => {
    const other = join(folder, 'other');
    await writeFile(other, 'theirs');
    await symlink(other, join(folder, VOLUME_FILE));
    await assert.rejects(open(), { code: 'ELOOP' });
    assert.equal(await readFile(other, 'utf8'), 'theirs');
  });

  it('is no device where there is none', async () => {
    await writeFile(join(folder, 'device'), 'x');
    await assert.rejects(DiskTarget.open({ path: join(folder, 'device'), mode: 'Block', sizeBytes: 1 }), { code: 'VolumeInvalid' });
  });

  it('that is full says so', async () => {
    await using target = await DiskTarget.open({ path: folder, mode: 'Filesystem', sizeBytes: 2 ** 20 });
    await assert.rejects(target.write(2 ** 53 - 2 ** 20, Buffer.from('x')), { code: 'DiskFull' });
  });
});
