import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { LocalBackend } from './backend.ts';
import { LoopDevices } from './loop-devices.ts';

const MI = 2 ** 20;
/** How ids name the node n1, and another. */
const here = '676b8bb8';
const elsewhere = '00000000';

describe('volumes that are files of a node', () => {
  let folder: string;
  let backend: LocalBackend;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-local-'));
    backend = new LocalBackend({ folder, node: 'n1', loops: new LoopDevices() });
    await backend.probe();
  });
  afterEach(() => rm(folder, { recursive: true }));

  const create = (name: string, sizeBytes = 2 * MI, more: object = {}) => backend.create({ name, sizeBytes, parameters: {}, ...more });
  const fails = (work: Promise<unknown>, code: string) => assert.rejects(work, { code });

  it('are made once by their name, thin, and in whole blocks', async () => {
    const one = await create('a', 2 * MI + 1);
    assert.deepEqual([one.name, one.sizeBytes], ['a', 2 * MI + 4096]);
    assert.deepEqual(await create('a', 2 * MI + 1), one);
    assert.deepEqual(await Promise.all([create('b'), create('b'), create('b')]).then((all) => new Set(all.map(({ id }) => id)).size), 1);
    const { size, blocks } = await stat(backend.dataOf(one.id));
    assert.deepEqual([size, blocks * 512 < MI], [one.sizeBytes, true]);
    assert.equal((await create('tiny', 1)).sizeBytes, MI);
    assert.deepEqual((await backend.list()).map(({ name }) => name).sort(), ['a', 'b', 'tiny']);
  });

  it('are not another volume’s for its name, nor of a size that was excluded', async () => {
    await create('a');
    await fails(create('a', 3 * MI), 'NameTaken');
    await fails(create('a', MI, { limitBytes: MI }), 'NameTaken');
    await fails(create('b', MI + 1, { limitBytes: MI + 2 }), 'InvalidRequest');
    assert.deepEqual((await backend.list()).length, 1);
  });

  it('are promised no room twice', async () => {
    const room = await backend.availableBytes();
    await create('half', Math.floor(room / 2));
    const left = await backend.availableBytes();
    assert.ok(left < room * 0.51, `${left} of ${room}`);
    await fails(create('more', left + 100 * MI), 'NoSpace');
  });

  it('grow, never shrink, and keep what is in them', async () => {
    const { id } = await create('a');
    await writeFile(backend.dataOf(id), 'kept', { flag: 'r+' });
    assert.equal((await backend.expand(id, 5 * MI)).sizeBytes, 5 * MI);
    assert.equal((await backend.expand(id, MI)).sizeBytes, 5 * MI);
    assert.deepEqual([(await backend.get(id))?.sizeBytes, (await stat(backend.dataOf(id))).size], [5 * MI, 5 * MI]);
    assert.equal((await readFile(backend.dataOf(id), 'utf8')).slice(0, 4), 'kept');
    await fails(backend.expand(`vol-${'0'.repeat(32)}-${here}`, MI), 'VolumeNotFound');
  });

  it('are copied from snapshots and from each other, at least as large', async () => {
    const { id } = await create('a');
    await writeFile(backend.dataOf(id), 'before', { flag: 'r+' });
    const snapshot = await backend.snapshot(id, 's');
    await writeFile(backend.dataOf(id), 'after!', { flag: 'r+' });
    assert.deepEqual(await backend.snapshot(id, 's'), snapshot);
    const [old, now] = [await create('old', 3 * MI, { source: { kind: 'snapshot', id: snapshot.id } }), await create('now', 2 * MI, { source: { kind: 'volume', id } })];
    const begins = async (of: string) => (await readFile(backend.dataOf(of), 'utf8')).slice(0, 6);
    assert.deepEqual([await begins(old.id), await begins(now.id), (await stat(backend.dataOf(old.id))).size], ['before', 'after!', 3 * MI]);
    await fails(create('small', MI, { source: { kind: 'volume', id } }), 'InvalidRequest');
    await fails(create('none', MI, { source: { kind: 'snapshot', id: `snap-${'0'.repeat(32)}-${here}` } }), 'SnapshotNotFound');
    await fails(create('far', MI, { source: { kind: 'snapshot', id: `snap-${'0'.repeat(32)}-${elsewhere}` } }), 'NoSpace');
    await fails(backend.snapshot(now.id, 's'), 'NameTaken');
    await backend.remove(id);
    assert.deepEqual((await backend.snapshots()).map(({ name, volume }) => [name, volume]), [['s', id]]);
  });

  it('go for good, as often as one likes, and leave nothing', async () => {
    const { id } = await create('a');
    const snapshot = await backend.snapshot(id, 's');
    for (let round = 0; round < 2; round += 1) {
      await backend.remove(id);
      await backend.removeSnapshot(snapshot.id);
    }
    assert.deepEqual([await readdir(join(folder, 'volumes')), await readdir(join(folder, 'snapshots'))], [[], []]);
    await fails(backend.remove('../../etc'), 'VolumeNotFound');
  });

  it('are not half there: what a killed process began is removed by the next', async () => {
    const { id } = await create('a');
    await mkdir(join(folder, 'volumes', `.${id}.former.1`));
    await writeFile(join(folder, 'volumes', `.${id}.former.1`, 'data'), 'half');
    assert.equal((await backend.list()).length, 1);
    await backend.probe();
    assert.deepEqual(await readdir(join(folder, 'volumes')), [id]);
  });
});
