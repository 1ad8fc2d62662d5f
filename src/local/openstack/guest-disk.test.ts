import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { wholeDisk } from './guest-disk.ts';

describe('a disk that boots by itself', () => {
  it('begins with the loader, and has the partition where its table says', () => {
    const loader = Buffer.alloc(440, 0xeb);
    const partition = Buffer.alloc(4 * 512, 'fat!');
    const disk = wholeDisk(loader, partition);
    assert.equal(disk[0], 0xeb);
    assert.equal(disk.readUInt16LE(510), 0xaa55);
    assert.equal(disk[446], 0x80);
    const [start, sectors] = [disk.readUInt32LE(454), disk.readUInt32LE(458)];
    assert.equal(sectors, 4);
    assert.deepEqual(disk.subarray(start * 512, (start + sectors) * 512), partition);
    assert.equal(disk.length, (start + sectors) * 512);
  });

  it('keeps its table from a loader that is too long', () => {
    assert.equal(wholeDisk(Buffer.alloc(512, 0xff), Buffer.alloc(512))[447], 0xfe);
  });
});
