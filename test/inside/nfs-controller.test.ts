import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLog } from '../../src/base/log.ts';
import { run } from '../../src/base/process.ts';
import { NfsBackend } from '../../src/storage/drivers/nfs/backend.ts';
import { openNfs } from '../../src/storage/drivers/nfs/open.ts';
import { CsiDriverUnderTest } from '../env/csi-driver.ts';
import { again } from '../env/csi-volumes.ts';
import { randomOf } from '../env/faults.ts';
import { NfsServerUnderTest } from '../env/nfs-server.ts';

const MI = 2 ** 20;
const ROUNDS = Number(process.env['YADO_TEST_ROUNDS'] ?? 12);
const log = createLog({ level: 'error' });

/** Another client's look at an export: what is in it, or why it is not seen. */
class Looker {
  readonly #server: NfsServerUnderTest;
  readonly #namespace: string;

  constructor(server: NfsServerUnderTest, namespace: string) {
    this.#server = server;
    this.#namespace = namespace;
  }

  async list(id: string): Promise<readonly string[]> {
    return (await this.#run('nfs-ls', `nfs://${this.#server.address}/${id}?version=4`)).split('\n').flatMap((line) => line.trim().split(/\s+/)[5] ?? []);
  }

  async read(id: string, file: string): Promise<string> {
    return this.#run('nfs-cat', `nfs://${this.#server.address}/${id}/${file}?version=4`);
  }

  async write(id: string, file: string): Promise<void> {
    await this.#run('nfs-cp', '/proc/version', `nfs://${this.#server.address}/${id}/${file}?version=4`);
  }

  /** These programs say what is wrong, and end as if it were not. */
  async #run(...command: readonly string[]): Promise<string> {
    return this.#server.underlay.run(this.#namespace, ['sh', '-c', 'said=$("$@" 2>&1 >"${TMPDIR:-/tmp}/out.$$"); code=$?; cat "${TMPDIR:-/tmp}/out.$$"; rm "${TMPDIR:-/tmp}/out.$$"; case "$said" in *NFS4ERR*|*ailed*) echo "$said" >&2; exit 1;; esac; exit $code', 'sh', ...command]);
  }
}

describe('volumes of an NFS server that is managed here', { timeout: 7_200_000 }, () => {
  let server: NfsServerUnderTest;
  let backend: NfsBackend;
  let one: Looker;
  let other: Looker;
  const treeOf = (id: string): string => join(server.path, 'volumes', id, 'data');
  const create = (name: string, more: object = {}) => backend.create({ name, sizeBytes: 16 * MI, parameters: {}, ...more });
  const fails = (work: Promise<unknown>, code: string, message = /./) => assert.rejects(work, (error: { code?: string; message: string }) => error.code === code && message.test(error.message));
  const open = async (): Promise<NfsBackend> => (await openNfs({ node: 'n1', stateDirectory: server.folder, settings: server.settings, secret: {}, log })).backend as NfsBackend;
  const removeAll = async (): Promise<void> => {
    for (const { id } of await backend.list()) await backend.remove(id);
    for (const { id } of await backend.snapshots()) await backend.removeSnapshot(id);
  };
  /** Nothing is there but the folders themselves: no subvolume, no limit, no mount, no export. */
  const nothingIsLeft = async (): Promise<void> => {
    for (const folder of ['volumes', 'snapshots']) assert.deepEqual(await readdir(join(server.path, folder)), []);
    assert.deepEqual(await readdir(join(server.folder, 'ganesha/exports')), []);
    assert.deepEqual((await readdir(join(server.folder, 'ganesha'))).filter((name) => name.includes('vol-')), []);
    assert.equal((await readFile('/proc/self/mounts', 'utf8')).split('\n').filter((line) => line.includes(`${server.path}/`)).length, 0);
    await run('btrfs', ['subvolume', 'sync', server.path]);
    assert.equal(await run('btrfs', ['subvolume', 'list', server.path]), '');
    assert.deepEqual((await run('btrfs', ['qgroup', 'show', server.path])).split('\n').filter((line) => /^0\/(?!5\b)/.test(line)), []);
  };

  before(async () => {
    server = await NfsServerUnderTest.start({ clients: ['10.77.5.1', '10.77.5.11/32'] });
    one = new Looker(server, await server.underlay.addHost('one', 11));
    other = new Looker(server, await server.underlay.addHost('two', 12));
    backend = await open();
  });
  after(() => server?.[Symbol.asyncDispose]());

  it('are there for clients when they are made, once by their name, and for none when they are removed', async () => {
    const volumes = await Promise.all([create('a'), create('a'), create('a'), create('b')]);
    assert.equal(new Set(volumes.map(({ id }) => id)).size, 2);
    const [{ id }] = volumes;
    await writeFile(join(treeOf(id), 'file'), 'text');
    assert.equal(await one.read(id, 'file'), 'text');
    assert.deepEqual(await create('a'), await backend.get(id));
    await fails(create('a', { sizeBytes: 64 * MI }), 'NameTaken');
    await Promise.all([backend.remove(id), backend.remove(id)]);
    await refused(one.list(id));
    assert.deepEqual((await backend.list()).map(({ name }) => name), ['b']);
    await removeAll();
    await nothingIsLeft();
  });

  it('end at their size, and grow', async () => {
    const { id } = await create('full');
    const write = (name: string) => run('dd', ['if=/dev/zero', `of=${join(treeOf(id), name)}`, 'bs=1M', 'count=20', 'conv=fsync', 'status=none']);
    await assert.rejects(write('large'), /quota exceeded/);
    await run('rm', [join(treeOf(id), 'large')]);
    assert.equal((await backend.expand(id, 64 * MI)).sizeBytes, 64 * MI);
    assert.equal((await backend.expand(id, MI)).sizeBytes, 64 * MI);
    await write('large');
    await removeAll();
  });

  it('are promised no room twice', async () => {
    const room = await backend.availableBytes();
    await create('half', { sizeBytes: Math.floor(room / 2) });
    const left = await backend.availableBytes();
    assert.ok(left < room * 0.51, `${left} of ${room}`);
    await fails(create('more', { sizeBytes: left + 100 * MI }), 'NoSpace');
    const settled = await Promise.allSettled(['x', 'y', 'z'].map((name) => create(name, { sizeBytes: Math.floor(left * 0.6) })));
    assert.deepEqual(settled.filter(({ status }) => status === 'fulfilled').length, 1);
    await removeAll();
  });

  it('keep what was in them in snapshots, and in clones that are volumes of their own', async () => {
    const { id } = await create('origin', { parameters: { mode: '0750' } });
    assert.equal((await run('stat', ['-c', '%a', treeOf(id)])).trim(), '750');
    await writeFile(join(treeOf(id), 'file'), 'before');
    const snapshot = await backend.snapshot(id, 'then');
    await writeFile(join(treeOf(id), 'file'), 'after');
    assert.deepEqual(await backend.snapshot(id, 'then'), snapshot);
    const now = await create('now', { source: { kind: 'volume', id } });
    await backend.remove(id);
    const then = await create('then', { source: { kind: 'snapshot', id: snapshot.id }, sizeBytes: 32 * MI });
    assert.deepEqual([await one.read(then.id, 'file'), await one.read(now.id, 'file')], ['before', 'after']);
    await one.write(then.id, 'own');
    assert.deepEqual(await readdir(treeOf(now.id)), ['file']);
    await fails(create('small', { source: { kind: 'volume', id: then.id } }), 'InvalidRequest', /too small/);
    await fails(create('none', { source: { kind: 'snapshot', id: `snap-${'0'.repeat(32)}` } }), 'SnapshotNotFound');
    await fails(backend.snapshot(now.id, 'then'), 'NameTaken');
    await removeAll();
    await nothingIsLeft();
  });

  it('are for the clients that were configured and for nodes that have them, until they are taken away', async () => {
    const { id } = await create('shared');
    await one.write(id, 'a');
    await refused(other.list(id));
    const { publishing } = backend;
    const [first, second] = ['n1/10.77.5.11', 'n2/10.77.5.12'];
    const take = async (node: string): Promise<void> => {
      for (let twice = 0; twice < 2; twice += 1) await publishing.shutOut(id, node);
      await publishing.release(id, node);
    };
    for (const node of [first, second, second]) await publishing.publish(id, node, 'many nodes');
    await other.write(id, 'b');
    await take(first);
    await refused(one.write(id, 'c'));
    await other.write(id, 'c');
    await fails(backend.remove(id), 'VolumeInUse', /published to node n2/);
    await take(second);
    await refused(other.write(id, 'd'));
    await publishing.publish(id, first, 'one node');
    await fails(publishing.publish(id, second, 'one node'), 'VolumeInUse', /published to node n1, and node n2/);
    await one.write(id, 'd');
    assert.deepEqual((await readdir(treeOf(id))).sort(), ['a', 'b', 'c', 'd']);
    await fails(publishing.publish(id, 'n3', 'many nodes'), 'VolumeInUse');
    await take(first);
    await fails(publishing.publish(id, 'n3', 'many nodes'), 'InvalidRequest', /at which address/);
    await removeAll();
  });

  it('are all there again when nfs-ganesha was killed, also those that were made meanwhile', async () => {
    const before_ = await Promise.all(['a', 'b', 'c'].map((name) => create(name)));
    const pid = server.ganeshaPid;
    process.kill(pid ?? 0, 'SIGKILL');
    const during = await again(() => create('d'));
    for (const { id } of [...before_, during]) await again(() => one.write(id, 'file'));
    assert.notEqual(server.ganeshaPid, pid);
    assert.deepEqual(await Promise.all([...before_, during].map(({ id }) => readdir(treeOf(id)))), [['file'], ['file'], ['file'], ['file']]);
    await removeAll();
    await nothingIsLeft();
  });

  it('are not made, and are not lost, while nfs-ganesha is down', async () => {
    const { id } = await create('kept');
    await server.stopGanesha();
    await fails(backend.probe(), 'BackendUnreachable', /10\.77\.5\.1 does not answer on port 2049/);
    await fails(create('new'), 'BackendUnreachable', /nfs-ganesha does not run/);
    await fails(backend.remove(id), 'BackendUnreachable');
    await server.startGanesha();
    // For a while only what clients held before is theirs.
    await again(() => one.write(id, 'file'));
    await one.write((await create('new')).id, 'file');
    await removeAll();
    await nothingIsLeft();
  });

  it('are made only on the machine that has the folder; nodes elsewhere are ready when the server is', async () => {
    const settings = { managed: { ...server.settings.managed, path: join(server.folder, 'elsewhere') } };
    await using opened = await openNfs({ node: 'n2', stateDirectory: server.folder, settings, secret: {}, log: createLog({ level: 'silent' }) });
    await opened.backend.probe();
    await fails(opened.backend.create({ name: 'a', sizeBytes: MI, parameters: {} }), 'BackendUnreachable', /no folder .*elsewhere on node n2: volumes are made on the machine that has it/);
  });

  describe('by way of CSI', () => {
    let driver: CsiDriverUnderTest;
    const mountable = { mount: {}, accessMode: { mode: 'MULTI_NODE_MULTI_WRITER' } };
    const ask = async (name: string, more: object = {}): Promise<string> =>
      (await driver.call('CreateVolume', { name, capacityRange: { requiredBytes: 16 * MI }, volumeCapabilities: [mountable], ...more }))['volume'].volumeId;

    before(async () => {
      driver = await CsiDriverUnderTest.start({ kind: 'nfs', settings: server.settings });
    });
    after(() => driver?.[Symbol.asyncDispose]());

    for (const [what, request, said] of [
      ['an unknown parameter', { parameters: { colour: 'blue' } }, /INVALID_ARGUMENT.*parameter colour is not known; known are mode/],
      ['a mode that is none', { parameters: { mode: '0999' } }, /INVALID_ARGUMENT.*parameter mode is "0999".*octal/],
      ['a negative size', { capacityRange: { requiredBytes: -1 } }, /INVALID_ARGUMENT.*cannot be negative/],
      ['no size that can be', { capacityRange: { requiredBytes: 2 * MI, limitBytes: MI } }, /INVALID_ARGUMENT.*at least 2097152 and at most 1048576/],
      ['a size between blocks', { capacityRange: { requiredBytes: MI + 1, limitBytes: MI + 2 } }, /INVALID_ARGUMENT.*none fits between/],
      ['more than there is', { capacityRange: { requiredBytes: 2 ** 50 } }, /RESOURCE_EXHAUSTED.*are left on the NFS server/],
      ['a block device', { volumeCapabilities: [{ block: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' } }] }, /INVALID_ARGUMENT.*a block volume of this kind is not for one node; it is for nobody/],
      ['a source that is not there', { volumeContentSource: { volume: { volumeId: `vol-${'0'.repeat(32)}` } } }, /NOT_FOUND/],
      ['a source that is none', { volumeContentSource: { snapshot: { snapshotId: '../../etc' } } }, /NOT_FOUND/],
    ] as const) {
      it(`refuse ${what}, and nothing is made`, async () => {
        await assert.rejects(ask('refused', request), said);
        await nothingIsLeft();
      });
    }

    it('do not shrink', async () => {
      const volumeId = await ask('a');
      await assert.rejects(driver.call('ControllerExpandVolume', { volumeId, capacityRange: { requiredBytes: MI, limitBytes: 2 * MI } }), /INVALID_ARGUMENT.*no volume becomes smaller/);
      await assert.rejects(driver.call('ControllerExpandVolume', { volumeId, capacityRange: { requiredBytes: 0 } }), /INVALID_ARGUMENT.*required_bytes is required/);
      await driver.call('DeleteVolume', { volumeId });
    });

    it('say that the server is down', async () => {
      await server.stopGanesha();
      await assert.rejects(ask('down'), /UNAVAILABLE.*nfs-ganesha does not run/);
      assert.equal((await driver.call('Probe'))['ready'].value, false);
      await server.startGanesha();
      await driver.call('DeleteVolume', { volumeId: await ask('down') });
      await nothingIsLeft();
    });

    it(`leave nothing when the driver is killed ${ROUNDS} times in the middle of its calls, each of which is repeated and asked twice at once`, async () => {
      const seed = Number(process.env['YADO_TEST_SEED'] ?? Date.now() % 2 ** 31);
      const next = randomOf(seed);
      for (let round = 0; round < ROUNDS; round += 1) {
        const name = `round-${round}`;
        const twice = async <T>(call: () => Promise<T>): Promise<T> => (await Promise.all([again(call), again(call)]))[0];
        const killing = delay(next() * 700).then(() => driver.kill()).then(() => driver.run());
        const volumeId = await twice(() => ask(name));
        await again(() => one.write(volumeId, name));
        const { snapshot } = await twice(() => driver.call('CreateSnapshot', { name, sourceVolumeId: volumeId }));
        const copy = await twice(() => ask(`${name}-copy`, { volumeContentSource: { snapshot: { snapshotId: snapshot.snapshotId } } }));
        assert.deepEqual(await one.list(copy), [name], `round ${round} (YADO_TEST_SEED=${seed})`);
        await twice(() => driver.call('ControllerExpandVolume', { volumeId: copy, capacityRange: { requiredBytes: 32 * MI } }));
        for (const id of [volumeId, copy]) await twice(() => driver.call('DeleteVolume', { volumeId: id }));
        await twice(() => driver.call('DeleteSnapshot', { snapshotId: snapshot.snapshotId }));
        await killing;
      }
      await driver.call('Probe');
      await nothingIsLeft();
    });
  });
});

describe('volumes of an NFS server whose folder is not on btrfs', { timeout: 120_000 }, () => {
  it('are folders: for clients, without a limit, snapshots and clones, and that is said', async () => {
    await using server = await NfsServerUnderTest.start({ ground: 'plain' });
    const one = new Looker(server, await server.underlay.addHost('one', 11));
    await using opened = await openNfs({ node: 'n1', stateDirectory: server.folder, settings: server.settings, secret: {}, log });
    const { backend } = opened;
    assert.deepEqual([backend.features.snapshots, backend.features.clones], [false, false]);
    const { id } = await backend.create({ name: 'a', sizeBytes: MI, parameters: {} });
    await one.write(id, 'file');
    await assert.rejects(backend.snapshot(id, 's'), { code: 'Unsupported' });
    await assert.rejects(backend.create({ name: 'b', sizeBytes: MI, parameters: {}, source: { kind: 'volume', id } }), { code: 'Unsupported' });
    await backend.remove(id);
    await refused(one.list(id));
    assert.deepEqual(await readdir(join(server.path, 'volumes')), []);
  });
});

/** A client that has no access is not told that there is anything. */
async function refused(work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, ({ stderr }: { stderr?: string }) => /NFS4ERR_(NOENT|ACCESS|PERM)/.test(stderr ?? ''));
}
