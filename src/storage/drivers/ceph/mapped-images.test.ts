import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { MappedImages, mapRequest } from './mapped-images.ts';

const user = { user: 'yado', key: 'secret' };
const place = { pool: 'disks', namespace: 'one' };
const door = { clientOf: () => Promise.reject(new Error('the kernel says it itself')), admit: async () => true };

describe('images that the kernel maps', () => {
  let bus: string;
  before(async () => {
    bus = await mkdtemp(join(tmpdir(), 'yado-bus-'));
    for (const [number, name, namespace] of [['0', 'vol-a-1', 'one'], ['3', 'vol-b-1', 'one'], ['4', 'vol-c-1', '']] as const) {
      await mkdir(join(bus, 'devices', number), { recursive: true });
      await Promise.all(Object.entries({ name, pool: 'disks', pool_ns: namespace }).map(([file, text]) => writeFile(join(bus, 'devices', number, file), `${text}\n`)));
    }
  });
  after(() => rm(bus, { recursive: true, force: true }));

  it('are asked for in the words of the kernel', () => {
    assert.equal(mapRequest(['10.0.0.1:6789', '10.0.0.2:6789'], { place: { pool: 'disks' }, settings: { monitors: [] }, user }, 'image', false), '10.0.0.1:6789,10.0.0.2:6789 name=yado,secret=secret,noshare disks image -');
    assert.equal(mapRequest(['10.0.0.1:3300'], { place, settings: { monitors: [] }, user }, 'image', false), '10.0.0.1:3300 name=yado,secret=secret,noshare,ms_mode=prefer-crc,_pool_ns=one disks image -');
  });

  it('are found when they are there already', async () => {
    const images = new MappedImages({ place, settings: { monitors: ['10.0.0.1'] }, user, bus });
    assert.equal(await images.attach('vol-b', 'vol-b-1', false, door), '/dev/rbd3');
    await assert.rejects(readFile(join(bus, 'add_single_major')));
  });

  it('are asked for when they are there for another namespace only, and gone ones are detached', async () => {
    const images = new MappedImages({ place, settings: { monitors: ['10.0.0.1'] }, user, bus });
    await assert.rejects(images.attach('vol-c', 'vol-c-1', false, door), /was mapped, and is not there/);
    assert.equal(await readFile(join(bus, 'add_single_major'), 'utf8'), '10.0.0.1:6789 name=yado,secret=secret,noshare,_pool_ns=one disks vol-c-1 -');
    await images.detach('vol-c');
  });
});
