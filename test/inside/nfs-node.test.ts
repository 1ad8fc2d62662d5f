import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open as openFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLog } from '../../src/base/log.ts';
import { run } from '../../src/base/process.ts';
import { unmount } from '../../src/storage/mounts.ts';
import { NfsBackend } from '../../src/storage/drivers/nfs/backend.ts';
import { openNfs } from '../../src/storage/drivers/nfs/open.ts';
import type { OpenedBackend } from '../../src/storage/port.ts';
import { CsiDriverUnderTest } from '../env/csi-driver.ts';
import { randomOf } from '../env/faults.ts';
import { IN_SOAK, isLong } from '../env/long.ts';
import { NfsServerUnderTest } from '../env/nfs-server.ts';

const MI = 2 ** 20;
const ROUNDS = 5;
const sanity = process.env['YADO_CSI_SANITY'] ?? 'csi-sanity';
const log = createLog({ level: 'error' });
/** Node has no name for it. */
const EDQUOT = 122;
const mountable = { mount: {}, accessMode: { mode: 'MULTI_NODE_MULTI_WRITER' } };

/** Runs under a kernel with an NFS client, in a machine of its own. */
describe('volumes on NFS', { timeout: 1_500_000 }, () => {
  let server: NfsServerUnderTest;
  let opened: OpenedBackend;
  let backend: NfsBackend;

  const passesSanity = async (driver: CsiDriverUnderTest): Promise<void> => {
    const at = (name: string): string => join(driver.folder, name);
    const said = await run(sanity, ['--csi.endpoint', driver.socket, '--csi.testvolumesize', String(32 * MI), '--csi.testvolumeexpandsize', String(48 * MI), '--csi.mountdir', at('sanity'), '--csi.stagingdir', at('sanity-staging'), '--ginkgo.no-color'], { timeoutMs: 900_000 })
      .catch((error: unknown) => assert.fail(String((error as { cause?: unknown }).cause ?? error)));
    const [line = '', passed = '0', failed] = /(\d+) Passed \| (\d+) Failed.*/.exec(said) ?? [];
    console.log(`csi-sanity: ${line}`);
    assert.ok(Number(passed) >= 40, said.slice(-2000));
    assert.equal(failed, '0');
    assert.deepEqual((await driver.call('ListVolumes'))['entries'], []);
  };

  /** Another machine, as far as NFS can tell, has the volume mounted. */
  const mountedOn = async (client: { readonly namespace: string; readonly name: string }, id: string): Promise<string> => {
    const attached = await opened.volumes.attach({ id, readOnly: false, context: {}, secrets: {} });
    assert.equal(attached.kind, 'tree');
    const target = join(server.folder, `${client.name}-${id}`);
    await mkdir(target, { recursive: true });
    await server.underlay.run(client.namespace, ['unshare', '--uts', 'sh', '-c', 'hostname "$1"; shift; exec mount "$@"', 'sh', client.name, '-t', attached.type, '-o', attached.options.join(','), attached.source, target]);
    return target;
  };
  const one = { namespace: '', name: 'one' };
  const two = { namespace: '', name: 'two' };

  before(async () => {
    server = await NfsServerUnderTest.start({ sizeMiB: 900 });
    for (const [client, byte] of [[one, 11], [two, 12]] as const) client.namespace = await server.underlay.addHost(client.name, byte);
    opened = await openNfs({ node: 'n1', stateDirectory: server.folder, settings: server.settings, secret: {}, log });
    backend = opened.backend as NfsBackend;
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  // Its machine is gone with the last test, and with it what could tell why.
  afterEach(async (context) => {
    if ((context as { readonly passed?: boolean }).passed === true) return;
    console.log(`what nfs-ganesha said:\n${await server?.said()}\nwhat the kernel said:\n${await run('sh', ['-c', 'dmesg | tail -n 40'])}`);
  });

  it('are shared: what one machine writes another reads, and what one has locked another cannot lock', async () => {
    const { id } = await backend.create({ name: 'shared', sizeBytes: 16 * MI, parameters: {} });
    const [here, there] = [await mountedOn(one, id), await mountedOn(two, id)];
    await writeFile(join(here, 'a'), 'from one');
    assert.equal(await readFile(join(there, 'a'), 'utf8'), 'from one');
    await writeFile(join(there, 'b'), 'from two');
    assert.deepEqual((await readdir(here)).sort(), ['a', 'b']);
    assert.equal(await readFile(join(here, 'b'), 'utf8'), 'from two');
    // Held for as long as standard input is open.
    const held = holdLock(join(here, 'a'));
    await held.locked;
    await assert.rejects(lockOnce(join(there, 'a')));
    held.release();
    await retried(() => lockOnce(join(there, 'a')));
    for (const target of [here, there]) await unmount(target);
    await backend.remove(id);
  });

  it('end at their size, and grow while they are in use', async () => {
    const { id } = await backend.create({ name: 'full', sizeBytes: 8 * MI, parameters: {} });
    const target = await mountedOn(one, id);
    await assert.rejects(writeThrough(join(target, 'large'), 12 * MI), { errno: -EDQUOT });
    await backend.expand(id, 64 * MI);
    await writeThrough(join(target, 'large'), 12 * MI);
    await unmount(target);
    await backend.remove(id);
  });

  it('are closed to a machine that is withdrawn, also in what it has open, and not to others', async () => {
    const { id } = await backend.create({ name: 'fenced', sizeBytes: 16 * MI, parameters: {} });
    const [here, there] = [await mountedOn(one, id), await mountedOn(two, id)];
    await using file = await openFile(join(here, 'file'), 'w');
    await file.write('before');
    await file.sync();
    await backend.publishing.publish(id, 'n1/10.77.5.11', 'many nodes');
    await backend.publishing.shutOut(id, 'n1/10.77.5.11');
    await assert.rejects(file.write('after!').then(() => file.sync()), { code: /EACCES|EPERM|EIO|ESTALE|ENOENT/ });
    await assert.rejects(writeThrough(join(here, 'new'), 10));
    await writeThrough(join(there, 'other'), 10);
    assert.equal(await readFile(join(server.path, 'volumes', id, 'data/file'), 'utf8'), 'before');
    await backend.publishing.publish(id, 'n1/10.77.5.11', 'many nodes');
    await retried(() => writeThrough(join(here, 'again'), 10));
    await file.close().catch(() => {});
    for (const target of [here, there]) await run('umount', ['--force', '--lazy', target]);
    await backend.publishing.release(id, 'n1/10.77.5.11');
    await backend.remove(id);
  });

  it('go on after nfs-ganesha was killed: files stay open, locks stay locked', async () => {
    const { id } = await backend.create({ name: 'survivor', sizeBytes: 16 * MI, parameters: {} });
    const [here, there] = [await mountedOn(one, id), await mountedOn(two, id)];
    await writeFile(join(here, 'a'), 'first');
    const held = holdLock(join(here, 'a'));
    await held.locked;
    const writer = beginWriting(join(here, 'b'));
    await writer.begun;
    const killedAt = Date.now();
    process.kill(server.ganeshaPid ?? 0, 'SIGKILL');
    await writer.end();
    console.log(`a write goes on ${Date.now() - killedAt} ms after nfs-ganesha was killed`);
    assert.equal(await readFile(join(there, 'b'), 'utf8'), 'before, after');
    await assert.rejects(lockOnce(join(there, 'a')));
    held.release();
    await retried(() => lockOnce(join(there, 'a')));
    for (const target of [here, there]) await unmount(target);
    await backend.remove(id);
  });

  it('pass the sanity tests of CSI on a server that is managed', async () => {
    await using driver = await CsiDriverUnderTest.start({ kind: 'nfs', settings: server.settings });
    await passesSanity(driver);
  });

  it('keep what was written, by way of CSI: in a snapshot and in a clone', async () => {
    await using driver = await CsiDriverUnderTest.start({ kind: 'nfs', settings: server.settings });
    const at = (name: string): string => join(driver.folder, name);
    const create = async (name: string, more: object = {}): Promise<string> => (await driver.call('CreateVolume', { name, capacityRange: { requiredBytes: 16 * MI }, volumeCapabilities: [mountable], ...more }))['volume'].volumeId;
    const publish = async (volumeId: string, name: string, readonly = false): Promise<string> => {
      await driver.call('NodeStageVolume', { volumeId, stagingTargetPath: at(`staged-${name}`), volumeCapability: mountable });
      await driver.call('NodePublishVolume', { volumeId, stagingTargetPath: at(`staged-${name}`), targetPath: at(name), volumeCapability: mountable, readonly });
      return at(name);
    };
    const origin = await create('origin', { parameters: { mode: '0770' } });
    const path = await publish(origin, 'origin');
    await writeThrough(join(path, 'file'), 10, 'b');
    const { snapshot } = await driver.call('CreateSnapshot', { name: 'then', sourceVolumeId: origin });
    await writeThrough(join(path, 'file'), 10, 'a');
    const then = await create('then', { volumeContentSource: { snapshot: { snapshotId: snapshot.snapshotId } } });
    const now = await create('now', { volumeContentSource: { volume: { volumeId: origin } } });
    assert.equal(await readFile(join(await publish(then, 'then', true), 'file'), 'utf8'), 'b'.repeat(10));
    assert.equal(await readFile(join(await publish(now, 'now'), 'file'), 'utf8'), 'a'.repeat(10));
    await assert.rejects(writeFile(join(at('then'), 'file'), 'x'), { code: 'EROFS' });
    for (const [volumeId, name] of [[origin, 'origin'], [then, 'then'], [now, 'now']] as const) {
      await driver.call('NodeUnpublishVolume', { volumeId, targetPath: at(name) });
      await driver.call('NodeUnstageVolume', { volumeId, stagingTargetPath: at(`staged-${name}`) });
      await driver.call('DeleteVolume', { volumeId });
    }
    await driver.call('DeleteSnapshot', { snapshotId: snapshot.snapshotId });
    assert.deepEqual(await driver.inUse(), []);
  });

  it('say that the server is down, where they are made and where they are mounted', async () => {
    await using driver = await CsiDriverUnderTest.start({ kind: 'nfs', settings: server.settings });
    const { id: volumeId } = await backend.create({ name: 'down', sizeBytes: MI, parameters: {} });
    await server.stopGanesha();
    const stage = () => driver.call('NodeStageVolume', { volumeId, stagingTargetPath: join(driver.folder, 'staged'), volumeCapability: mountable });
    await assert.rejects(stage(), /UNAVAILABLE.*the NFS server 10\.77\.5\.1 does not answer on port 2049/);
    await server.startGanesha();
    await stage();
    await driver.call('NodeUnstageVolume', { volumeId, stagingTargetPath: join(driver.folder, 'staged') });
    await driver.call('DeleteVolume', { volumeId });
  });

  it('pass the sanity tests of CSI on a server that somebody else has', { skip: isLong ? false : IN_SOAK }, async () => {
    const { id } = await backend.create({ name: 'exported', sizeBytes: 256 * MI, parameters: {} });
    {
      await using driver = await CsiDriverUnderTest.start({ kind: 'nfs', settings: { server: server.address, export: `/${id}`, mountOptions: ['nfsvers=4.1'] } });
      await passesSanity(driver);
      assert.deepEqual(await readdir(join(server.path, 'volumes', id, 'data/volumes')), []);
    }
    await backend.remove(id);
  });

  it('leave nothing on a server that somebody else has when the driver is killed in the middle of its calls', { skip: isLong ? false : IN_SOAK }, async () => {
    const { id } = await backend.create({ name: 'exported', sizeBytes: 64 * MI, parameters: {} });
    {
      await using driver = await CsiDriverUnderTest.start({ kind: 'nfs', settings: { server: server.address, export: `/${id}` } });
      const next = randomOf(Number(process.env['YADO_TEST_SEED'] ?? Date.now() % 2 ** 31));
      const request = { name: 'killed', capacityRange: { requiredBytes: MI }, volumeCapabilities: [mountable] };
      for (let round = 0; round < ROUNDS; round += 1) {
        const killing = delay(next() * 500).then(() => driver.kill()).then(() => driver.run());
        const { volume } = await retried(() => driver.call('CreateVolume', request));
        await retried(() => driver.call('DeleteVolume', { volumeId: volume.volumeId }));
        await killing;
      }
      assert.deepEqual(await readdir(join(server.path, 'volumes', id, 'data/volumes')), []);
    }
    await backend.remove(id);
  });
});

/** Past all caches, so that whoever has no room or no right is told. */
async function writeThrough(path: string, bytes: number, letter = 'x'): Promise<void> {
  await using file = await openFile(path, 'w');
  await file.writeFile(letter.repeat(bytes));
  await file.sync();
}

/** F_SETLK of the whole file, by struct flock of 64-bit Linux. */
const LOCK = 'open(F, "+<", $ARGV[0]) or die; my $flock = pack("s s x4 q q i x4", 1, 0, 0, 0, 0); fcntl(F, 6, $flock) or die "locked: $!\\n"; $| = 1; print "locked\\n"; <STDIN>;';

async function lockOnce(path: string): Promise<void> {
  await run('perl', ['-e', LOCK, path]);
}

function holdLock(path: string): { readonly locked: Promise<unknown>; readonly release: () => void } {
  const child = spawn('perl', ['-e', LOCK, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(() => assert.fail('the lock cannot be had'));
  ended.catch(() => {});
  return { locked: Promise.race([once(child.stdout, 'data'), ended]), release: () => void child.stdin.end() };
}

/** In a process of its own: this one starts nfs-ganesha again, and could not while it waits for a file on it. */
function beginWriting(path: string): { readonly begun: Promise<unknown>; readonly end: () => Promise<unknown> } {
  const child = spawn('sh', ['-c', 'exec 3>>"$0"; printf "before, " >&3; echo begun; read -r _; printf after >&3; sync "$0"', path], { stdio: ['pipe', 'pipe', 'inherit'] });
  return { begun: once(child.stdout, 'data'), end: () => (child.stdin.end('\n'), once(child, 'exit')) };
}

async function retried<T>(call: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 30_000; ; ) {
    try {
      return await call();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await delay(100);
    }
  }
}
