import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../src/base/process.ts';
import { terminalProgress } from '../../src/cli/terminal-progress.ts';
import { ensurePackages } from '../../src/local/packages.ts';
import { CephCluster } from '../env/ceph-cluster.ts';
import { cephPackages } from '../env/ceph-packages.ts';
import { CsiDriverUnderTest } from '../env/csi-driver.ts';
import { block, CsiVolumes, MI, mountable } from '../env/csi-volumes.ts';
import { CephFloor } from './ceph-floor.ts';
import { printFigures, type Figure } from './figures.ts';
import { Made } from './made.ts';
import { compared, loads, onFile, rates, throughput } from './storage-figures.ts';
import { tiedProgram } from '../env/tied.ts';

const ROUNDS = 9;
const BYTES = 64 * MI;
const LARGE = { capacityRange: { requiredBytes: 512 * MI } };
const ALL = { mon: 'allow *', mgr: 'allow *', osd: 'allow *', mds: 'allow *' };

/** What volumes cost beside the fastest that their backend itself can do, in the same minutes. */
export async function benchStorage(options: readonly string[]): Promise<void> {
  const wanted = options.flatMap((option) => /^--only=(.*)$/.exec(option)?.[1]?.split(',') ?? []);
  const wants = (kind: string): boolean => wanted.length === 0 || wanted.includes(kind);
  await ensurePackages({ progress: terminalProgress(process.stderr), install: true, extra: [...cephPackages, { name: 'fio', purpose: 'measures devices', provides: ['fio'] }], environment: process.env });
  if (wants('local')) printFigures(`Volumes of nodes: medians of ${ROUNDS} rounds`, await local());
  if (wants('rbd') || wants('cephfs')) await inCeph(wants);
  if (wants('nfs')) await nfs();
}

async function local(): Promise<readonly Figure[]> {
  await using driver = await CsiDriverUnderTest.start();
  const volumes = new CsiVolumes(driver);
  const folder = await mkdtemp(join(tmpdir(), 'yado-bench-'));
  const at = (name: string): string => join(folder, name);
  const made = new Made(volumes.create.bind(volumes));
  const loops = new Map<number, string>();
  try {
    return [
      await compared({ what: 'local, create', rawName: 'truncate', rounds: ROUNDS, ours: (n) => made.create(`v${n}`), raw: (n) => emptyFile(at(`v${n}`)) }),
      await compared({ what: 'local, snapshot', rawName: 'cp --reflink=auto', rounds: ROUNDS, ours: (n) => made.snapshot(volumes, `v${n}`, `s${n}`), raw: (n) => run('cp', ['--reflink=auto', '--sparse=always', at(`v${n}`), at(`s${n}`)]) }),
      await compared({ what: 'local, clone', rawName: 'cp --reflink=auto', rounds: ROUNDS, ours: (n) => made.create(`c${n}`, { volumeContentSource: { volume: { volumeId: made.id(`v${n}`) } } }), raw: (n) => run('cp', ['--reflink=auto', '--sparse=always', at(`v${n}`), at(`c${n}`)]) }),
      await compared({
        what: 'local, attach', rawName: 'losetup', rounds: ROUNDS,
        ours: (n) => attach(driver, made.id(`v${n}`), `v${n}`, block()),
        raw: async (n) => loops.set(n, (await run('losetup', ['--find', '--show', '--direct-io=on', at(`v${n}`)])).trim()),
        after: async (n) => { await run('losetup', ['--detach', loops.get(n) ?? '']); await detach(driver, made.id(`v${n}`), `v${n}`); },
      }),
      ...await fastAs('local', 'file of the same disk', join(await attach(driver, await volumes.create('large', LARGE), 'large', mountable('xfs')), 'file'), at('large')),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a controller has to allow before a node may have the volume; no backend by itself does. */
async function allow(driver: CsiDriverUnderTest, volumeId: string, volumeCapability: object): Promise<void> {
  await driver.call('ControllerPublishVolume', { volumeId, nodeId: driver.node, volumeCapability });
}

/** What a node does; the path that a pod gets. */
async function attach(driver: CsiDriverUnderTest, volumeId: string, name: string, volumeCapability: object): Promise<string> {
  const [stagingTargetPath, targetPath] = [join(driver.folder, `staged-${name}`), join(driver.folder, name)];
  await driver.call('NodeStageVolume', { volumeId, stagingTargetPath, volumeCapability });
  await driver.call('NodePublishVolume', { volumeId, stagingTargetPath, targetPath, volumeCapability });
  return targetPath;
}

async function detach(driver: CsiDriverUnderTest, volumeId: string, name: string): Promise<void> {
  await driver.call('NodeUnpublishVolume', { volumeId, targetPath: join(driver.folder, name) });
  await driver.call('NodeUnstageVolume', { volumeId, stagingTargetPath: join(driver.folder, `staged-${name}`) });
}

async function emptyFile(path: string): Promise<void> {
  await writeFile(path, '');
  await truncate(path, BYTES);
}

async function fastAs(what: string, rawName: string, ours: string, raw: string): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const load of loads) figures.push(rates(what, load, await throughput(load, onFile(ours)), await throughput(load, onFile(raw)), rawName));
  return figures;
}

async function inCeph(wants: (kind: string) => boolean): Promise<void> {
  await using ceph = await CephCluster.start();
  await ceph.pool('disks');
  await ceph.fileSystem('files');
  const secret = { user: 'yado', key: await ceph.user('yado', ALL) };
  await using floor = await CephFloor.start(ceph.site.conf);
  if (wants('rbd')) {
    await using driver = await CsiDriverUnderTest.start({ kind: 'rbd', secret, settings: { monitors: ceph.monitors, pool: 'disks' } });
    printFigures(`Images of Ceph: medians of ${ROUNDS} rounds`, await rbd(ceph, floor, driver));
  }
  if (wants('cephfs')) {
    await using driver = await CsiDriverUnderTest.start({ kind: 'cephfs', secret, settings: { monitors: ceph.monitors, filesystem: 'files' } });
    printFigures(`Folders of CephFS: medians of ${ROUNDS} rounds`, await cephfs(ceph, floor, driver));
  }
}

async function rbd({ folder, site }: CephCluster, floor: CephFloor, driver: CsiDriverUnderTest): Promise<readonly Figure[]> {
  const volumes = new CsiVolumes(driver);
  const pool = 'disks';
  const served = (n: number): string => join(folder, `served-${n}`);
  const made = new Made(volumes.create.bind(volumes));
  const loops = new Map<number, string>();
  const volume = await volumes.create('large', { ...LARGE, volumeCapabilities: [block()] });
  await floor.call('create', { pool, name: 'large', bytes: 512 * MI });
  const device = await volumes.publish(volume, 'large', block());
  const figures = [
    await compared({ what: 'rbd, create', rawName: 'librbd', rounds: ROUNDS, ours: (n) => made.create(`v${n}`), raw: (n) => floor.call('create', { pool, name: `v${n}`, bytes: BYTES }) }),
    await compared({ what: 'rbd, snapshot', rawName: 'librbd', rounds: ROUNDS, ours: (n) => made.snapshot(volumes, `v${n}`, `s${n}`), raw: (n) => floor.call('snapshot', { pool, name: `v${n}`, snapshot: 's' }) }),
    await compared({
      what: 'rbd, clone of a snapshot', rawName: 'librbd', rounds: ROUNDS,
      ours: (n) => made.create(`c${n}`, { volumeContentSource: { snapshot: { snapshotId: made.id(`s${n}`) } } }),
      raw: (n) => floor.call('clone', { pool, name: `v${n}`, snapshot: 's', copy: `c${n}` }),
    }),
    await compared({
      what: 'rbd, attach', rawName: 'qemu-storage-daemon and losetup', rounds: ROUNDS,
      before: (n) => allow(driver, made.id(`v${n}`), block()),
      ours: (n) => attach(driver, made.id(`v${n}`), `v${n}`, block()),
      raw: async (n) => loops.set(n, await serve(site.conf, `v${n}`, served(n))),
      after: async (n) => {
        await run('losetup', ['--detach', loops.get(n) ?? '']);
        await endServing(served(n));
        await volumes.unpublish(made.id(`v${n}`), `v${n}`);
      },
    }),
  ];
  for (const load of loads) {
    const ours = await throughput(load, onFile(device));
    figures.push(rates('rbd', load, ours, await throughput(load, ['--ioengine=rbd', '--clientname=admin', '--pool=disks', '--rbdname=large'], { CEPH_CONF: site.conf }), 'librbd'));
  }
  await volumes.unpublish(volume, 'large');
  return figures;
}

async function serve(conf: string, image: string, folder: string): Promise<string> {
  await mkdir(folder);
  await writeFile(join(folder, 'data'), '');
  await run('qemu-storage-daemon', ['--daemonize', '--pidfile', join(folder, 'pid'), '--blockdev', `driver=rbd,node-name=image,pool=disks,image=${image},conf=${conf},user=admin`, '--export', `type=fuse,id=file,node-name=image,mountpoint=${join(folder, 'data')},writable=on`]);
  return (await run('losetup', ['--find', '--show', '--direct-io=on', join(folder, 'data')])).trim();
}

async function endServing(folder: string): Promise<void> {
  await run('sh', ['-c', 'kill "$(cat "$0/pid")"; while mountpoint -q "$0/data"; do umount "$0/data" || sleep 0.05; done', folder]);
  await rm(folder, { recursive: true, force: true });
}

async function cephfs({ folder, site }: CephCluster, floor: CephFloor, driver: CsiDriverUnderTest): Promise<readonly Figure[]> {
  const volumes = new CsiVolumes(driver);
  const of = { vol_name: 'files', group_name: 'floor' };
  const capabilities = { volumeCapabilities: [mountable('', 'MULTI_NODE_MULTI_WRITER')] };
  const made = new Made((name, more) => volumes.create(name, { ...capabilities, ...more }));
  const tree = (name: string): string => join(folder, `mounted-${name}`);
  const mounted = async (name: string): Promise<void> => {
    await mkdir(tree(name), { recursive: true });
    const path = (await site.ceph('fs', 'subvolume', 'getpath', 'files', name, 'floor')).trim();
    await run('ceph-fuse', ['-c', site.conf, '--id', 'admin', '--client_fs', 'files', '--client_mountpoint', path, tree(name)]);
  };
  await floor.call('mgr', { prefix: 'fs subvolumegroup create', ...of });
  const figures = [
    await compared({ what: 'cephfs, create', rawName: 'manager', rounds: ROUNDS, ours: (n) => made.create(`v${n}`), raw: (n) => floor.call('mgr', { prefix: 'fs subvolume create', ...of, sub_name: `v${n}`, size: BYTES }) }),
    await compared({ what: 'cephfs, snapshot', rawName: 'manager', rounds: ROUNDS, ours: (n) => made.snapshot(volumes, `v${n}`, `s${n}`), raw: (n) => floor.call('mgr', { prefix: 'fs subvolume snapshot create', ...of, sub_name: `v${n}`, snap_name: 's' }) }),
    await compared({
      what: 'cephfs, clone of a snapshot', rawName: 'manager', rounds: 3,
      ours: (n) => made.create(`c${n}`, { volumeContentSource: { snapshot: { snapshotId: made.id(`s${n}`) } } }),
      raw: async (n) => {
        await floor.call('mgr', { prefix: 'fs subvolume snapshot clone', ...of, sub_name: `v${n}`, snap_name: 's', target_sub_name: `c${n}`, target_group_name: 'floor' });
        await floor.call('copied', { ...of, clone_name: `c${n}` });
      },
    }),
    await compared({
      what: 'cephfs, attach', rawName: 'ceph-fuse, path asked by ceph', rounds: ROUNDS,
      before: (n) => allow(driver, made.id(`v${n}`), mountable()),
      ours: (n) => attach(driver, made.id(`v${n}`), `v${n}`, mountable()),
      raw: (n) => mounted(`v${n}`),
      after: async (n) => { await run('umount', [tree(`v${n}`)]); await volumes.unpublish(made.id(`v${n}`), `v${n}`); },
    }),
  ];
  const large = await made.create('large', LARGE);
  await floor.call('mgr', { prefix: 'fs subvolume create', ...of, sub_name: 'large', size: 512 * MI });
  await mounted('large');
  figures.push(...await fastAs('cephfs', 'ceph-fuse by hand', join(await volumes.publish(large, 'large'), 'file'), join(tree('large'), 'file')));
  await run('umount', [tree('large')]);
  await volumes.unpublish(large, 'large');
  return figures;
}

/** nfs-ganesha, and all that it mounts, in namespaces of its own. */
async function nfs(): Promise<void> {
  const inside = 'mount -t tmpfs run /run && ip link set lo up && TMPDIR=/run exec "$0" "$1"';
  const child = spawn('setpriv', [...tiedProgram, 'unshare', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', inside, process.execPath, join(import.meta.dirname, 'storage-nfs.ts')], { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the benchmark of NFS ended with ${code}`);
}
