import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { NfsBackend } from './backend.ts';
import { takenOf } from './btrfs-ground.ts';
import type { NodeState } from '../../port.ts';
import { PlainGround } from './plain-ground.ts';
import { Shelf } from './shelf.ts';

const MI = 2 ** 20;

describe('volumes that are folders of an NFS server', () => {
  let folder: string;
  let backend: NfsBackend;
  let state: NodeState;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-nfs-'));
    state = 'ready';
    const ground = new PlainGround(folder);
    const site = { ground, ready: async () => ground, probe: async () => {}, publish: async () => {}, withdraw: async () => {}, conceal: async () => {}, keepsLostNodes: true, forget: () => {}, close: async () => {} };
    backend = new NfsBackend({ site, volumes: new Shelf(join(folder, 'volumes')), snapshots: new Shelf(join(folder, 'snapshots')), stateOf: async () => state });
    await mkdir(join(folder, 'volumes'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const create = (name: string, more: object = {}) => backend.create({ name, sizeBytes: 2 * MI, parameters: {}, ...more });
  const fails = (work: Promise<unknown>, code: string) => assert.rejects(work, { code });

  it('are made once by their name, with the mode that was asked for, and removed as often as one likes', async () => {
    const [one, two] = await Promise.all([create('a', { parameters: { mode: '2750' } }), create('a')]);
    assert.deepEqual(one, two);
    assert.equal((await stat(join(folder, 'volumes', one?.id ?? '', 'data'))).mode & 0o7777, 0o2750);
    await fails(create('a', { sizeBytes: 3 * MI }), 'NameTaken');
    await fails(create('b', { sizeBytes: 0 }), 'InvalidRequest');
    await fails(create('b', { sizeBytes: MI + 1, limitBytes: MI + 2 }), 'InvalidRequest');
    await fails(create('b', { sizeBytes: 2 ** 60 }), 'NoSpace');
    await Promise.all([backend.remove(one?.id ?? ''), backend.remove(one?.id ?? '')]);
    assert.deepEqual(await readdir(join(folder, 'volumes')), []);
    await fails(backend.remove('../etc'), 'VolumeNotFound');
  });

  it('are not half there: what a killed process began is removed by the repeat', async () => {
    const { id } = await create('a');
    await backend.remove(id);
    await mkdir(join(folder, 'volumes', `.${id}.former/data`), { recursive: true });
    await writeFile(join(folder, 'volumes', `.${id}.former/data/file`), 'half');
    assert.deepEqual(await backend.list(), []);
    assert.equal((await create('a')).id, id);
    assert.deepEqual(await readdir(join(folder, 'volumes')), [id]);
    await mkdir(join(folder, 'volumes', `.${id}.former/data`), { recursive: true });
    await backend.remove(id);
    assert.deepEqual(await readdir(join(folder, 'volumes')), []);
  });

  it('grow in their records, and have no snapshots and clones', async () => {
    const { id } = await create('a');
    assert.equal((await backend.expand(id, 3 * MI)).sizeBytes, 3 * MI);
    assert.equal((await backend.expand(id, MI)).sizeBytes, 3 * MI);
    assert.equal((await backend.get(id))?.sizeBytes, 3 * MI);
    assert.deepEqual([backend.features.snapshots, backend.features.clones], [false, false]);
    await fails(backend.snapshot(id, 's'), 'Unsupported');
    await fails(create('b', { sizeBytes: 4 * MI, source: { kind: 'volume', id } }), 'Unsupported');
    assert.deepEqual(await readdir(join(folder, 'volumes')), [id]);
  });

  it('are for one node after the other, and stay with one that does not answer, as nobody keeps it from them', async () => {
    const { id } = await create('a');
    const { publishing } = backend;
    for (let twice = 0; twice < 2; twice += 1) await publishing.publish(id, 'n1', 'one node');
    await assert.rejects(publishing.publish(id, 'n2', 'one node'), { code: 'VolumeInUse', message: /is published to node n1/ });
    await assert.rejects(publishing.publish(id, 'n2', 'many nodes'), { code: 'VolumeInUse' });
    await fails(backend.remove(id), 'VolumeInUse');
    state = 'silent';
    await assert.rejects(publishing.shutOut(id, 'n1'), { code: 'VolumeInUse', message: /n1 does not answer.*lostNodes: Release/ });
    for (const next of ['gone', 'ready'] as const) {
      state = next;
      assert.equal(await publishing.shutOut(id, 'n1'), undefined);
    }
    await publishing.release(id, 'n1');
    for (const node of ['n2', 'n3']) await publishing.publish(id, node, 'many nodes');
    assert.deepEqual([...await publishing.published()], [[id, ['n2', 'n3']]]);
    for (const node of ['n2', 'n3']) await publishing.release(id, node);
    assert.deepEqual([...await publishing.published(id)], []);
    await backend.remove(id);
    await fails(publishing.publish(id, 'n1', 'one node'), 'VolumeNotFound');
  });

  it('say which modes there are', () => {
    const { mode } = backend.features.parameters;
    assert.deepEqual([mode?.('0770'), mode?.('1777'), mode?.('755')], [undefined, undefined, undefined]);
    for (const wrong of ['', '0888', '77', 'rwx', '07777']) assert.match(mode?.(wrong) ?? '', /octal/);
  });
});

describe('what volumes have taken on btrfs', () => {
  it('is read from what btrfs prints', () => {
    const id = `vol-${'a'.repeat(32)}`;
    assert.deepEqual([...takenOf(`Qgroupid    Referenced    Exclusive   Path \n--------    ----------    ---------   ---- \n0/5              16384        16384   <toplevel>\n0/256            32768        16384   some folder/volumes/${id}/data\n`)], [[id, 32768]]);
  });
});
