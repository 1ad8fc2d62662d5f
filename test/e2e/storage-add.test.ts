import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import { CommandError, run } from '../../src/base/process.ts';
import type { ClusterStatus } from '../../src/local/cluster.ts';
import { clusterLayout, type ClusterLayout } from '../../src/local/layout.ts';
import { networkPlan } from '../../src/local/network-plan.ts';
import { readRecord } from '../../src/local/record.ts';
import { documents } from '../env/cluster.ts';
import { shellContainer } from '../env/container-host-objects.ts';
import { tracesOf } from '../env/leftovers.ts';

const yado = join(import.meta.dirname, '../../src/bin/yado.ts');
const name = `add-${process.pid}`;
/** Ready binaries make the test independent of the toolchain's cache. */
const ready = process.env['YADO_BINARIES'];
const hasNfsClient = async (): Promise<boolean> => run('grep', ['-qw', 'nfs4', '/proc/filesystems']).then(() => true, () => false);

const claim = (of: string, storageClassName: string, mode: string) => ({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: of }, spec: { storageClassName, accessModes: [mode], resources: { requests: { storage: '64Mi' } } } });
const writer = (of: string, claims: readonly string[], script: string) => ({
  apiVersion: 'v1', kind: 'Pod', metadata: { name: of },
  spec: {
    terminationGracePeriodSeconds: 1, volumes: claims.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })),
    containers: [shellContainer(script, { volumeMounts: claims.map((claimName) => ({ name: claimName, mountPath: `/${claimName}` })) })],
  },
});

/** Servers of volumes for trying out, in a cluster that was started without any. */
describe('yado storage add', { timeout: 900_000 }, () => {
  let folder = '';
  let layout: ClusterLayout;
  /** What a person's own kubeconfig is must make no difference to the cluster. */
  const environment = { ...process.env, KUBECONFIG: '/nonexistent' };
  const command = (...args: readonly string[]) => run(process.execPath, [yado, ...args, '--name', name, '--state-root', folder], { env: environment, timeoutMs: 800_000 });
  const up = () => command('up', '--no-kubeconfig', ...(ready === undefined ? [] : ['--binaries', ready]));
  const kubectl = async (...args: readonly string[]) => run(join((await readRecord(layout))?.binaries ?? '', 'kubectl'), ['--kubeconfig', join(layout.kubeconfigs, 'admin.kubeconfig'), ...args]);
  const apply = async (...objects: readonly object[]) => run(join((await readRecord(layout))?.binaries ?? '', 'kubectl'), ['--kubeconfig', join(layout.kubeconfigs, 'admin.kubeconfig'), 'apply', '-f', '-'], { input: documents(...objects) });
  const status = async () => JSON.parse(await command('status', '--json')) as ClusterStatus;
  const eventually = async (what: string, holds: () => Promise<boolean>) => {
    let last = '';
    for (const deadline = Date.now() + 120_000; Date.now() < deadline; await delay(200)) if (await holds().catch((error: unknown) => (last = String(error)) === '')) return;
    assert.fail(`${what} did not come true within two minutes ${last}\n${await kubectl('get', 'pods,pvc,events', '-A')}`);
  };
  const isReady = (pod: string) => eventually(`${pod} is Ready`, async () => (await kubectl('get', 'pod', pod, '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')) === 'True');
  const processes = async () => (await status()).components.concat((await status()).nodes.flatMap(({ components }) => components)).filter(({ name: one }) => /ceph-(mon|mgr|osd|mds)$|nfs-server$/.test(one));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-'));
    layout = clusterLayout(folder, name);
    await up();
  });
  after(async () => {
    await command('down', '--delete').catch(() => {});
    await rm(folder, { recursive: true, force: true });
  });

  it('runs a Ceph whose volumes a pod writes to, images and shared folders', async () => {
    assert.match(await command('storage', 'add', 'ceph'), /^The cluster has it now: StorageBackend ceph with the StorageClasses ceph and ceph-files$/m);
    await apply(claim('disk', 'ceph', 'ReadWriteOnce'), claim('files', 'ceph-files', 'ReadWriteMany'), writer('one', ['disk', 'files'], 'echo disk > /disk/file; echo files > /files/file; sync; sleep 100000'));
    await isReady('one');
    await kubectl('exec', 'one', '--', 'sync');
  });

  it('runs an NFS server that makes volumes, and a pod says what it lacks where the kernel cannot mount them', async () => {
    assert.match(await command('storage', 'add', 'nfs'), /^The cluster has it now: StorageBackend nfs with the StorageClass nfs$/m);
    await apply(claim('shelf', 'nfs', 'ReadWriteMany'), writer('two', ['shelf'], 'echo shelf > /shelf/file; sync; sleep 100000'));
    await eventually('the claim is bound', async () => (await kubectl('get', 'pvc', 'shelf', '-o', 'jsonpath={.status.phase}')) === 'Bound');
    if (await hasNfsClient()) await isReady('two');
    else await eventually('the pod says it', async () => /the kernel .* of node n1 has no NFS client: .* Install the modules/.test(await kubectl('get', 'events', '--field-selector', 'involvedObject.name=two')));
  });

  it('says what is there when it is said again, and what cannot be', async () => {
    const before = await processes();
    assert.equal(before.length, 5);
    for (const server of ['ceph', 'nfs']) assert.match(await command('storage', 'add', server), new RegExp(`^The cluster had it already: StorageBackend ${server} with`, 'm'));
    assert.deepEqual((await processes()).map(({ pid }) => pid), before.map(({ pid }) => pid));
    assert.match(await command('logs', 'ceph-mon'), /mon\.a/);
    await assert.rejects(command('storage', 'add', 'drbd'), (error: CommandError) => /has no DRBD.*linux-image-amd64|DRBD \d/.test(error.stderr));
  });

  it('has them again, with what was written, after all of it was killed', async () => {
    await kubectl('delete', 'pod', '--all', '--force', '--grace-period=0');
    process.kill((await status()).supervisorPid, 'SIGKILL');
    // Not by way of `down`: another cluster of this machine might take the subnet meanwhile.
    await up();
    assert.deepEqual((await processes()).map(({ state }) => state), ['running', 'running', 'running', 'running', 'running']);
    await apply(writer('one', ['disk', 'files'], 'cat /disk/file /files/file; sleep 100000'));
    await isReady('one');
    assert.equal(await kubectl('logs', 'one'), 'disk\nfiles\n');
  });

  it('leaves nothing on the host, not even devices of pods that still run', async () => {
    const plan = networkPlan((await readRecord(layout))?.index ?? -1);
    const notes = await run('sh', ['-c', `cat ${layout.nodes}/n1/var/lib/yadokari/volumes/rbd/*/loop`]);
    const [, block = '', sequence = ''] = /^\/dev\/(loop\d+) (\d+)$/.exec(notes.trim()) ?? [];
    const isTheirs = async (): Promise<boolean> => existsSync(`/sys/block/${block}/loop/backing_file`) && (await readFile(`/sys/block/${block}/diskseq`, 'utf8')).trim() === sequence;
    assert.ok(await isTheirs(), notes);
    await command('down', '--delete');
    assert.deepEqual(await tracesOf(plan, layout), []);
    assert.ok(!await isTheirs(), `${block} is still there`);
  });
});
