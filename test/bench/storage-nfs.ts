/** The part of `npm run bench -- storage` that has namespaces of its own: nfs-ganesha with volumes on btrfs. What needs a client of NFS in the kernel is left out. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/base/process.ts';
import { GaneshaReader } from '../../src/storage/drivers/nfs/ganesha-reader.ts';
import { exportText } from '../../src/storage/drivers/nfs/ganesha-exports.ts';
import { parseSettings, type ManagedServer } from '../../src/storage/drivers/nfs/settings.ts';
import { CsiDriverUnderTest } from '../env/csi-driver.ts';
import { CsiVolumes, MI, mountable } from '../env/csi-volumes.ts';
import { NfsServerUnderTest } from '../env/nfs-server.ts';
import { printFigures } from './figures.ts';
import { Made } from './made.ts';
import { compared } from './storage-figures.ts';

const ROUNDS = 9;
const SIZE = String(64 * MI);

await using server = await NfsServerUnderTest.start();
await using driver = await CsiDriverUnderTest.start({ kind: 'nfs', settings: server.settings });
const volumes = new CsiVolumes(driver);
const settings = parseSettings(server.settings) as ManagedServer;
const reader = new GaneshaReader({ files: settings.ganesha, server: settings.server, port: settings.port });
const raw = join(server.path, 'raw');
const at = (name: string): string => join(raw, name);
const capabilities = { volumeCapabilities: [mountable('', 'MULTI_NODE_MULTI_WRITER')] };
const made = new Made((name, more) => volumes.create(name, { ...capabilities, ...more }));
let number = 60_000;

/** A subvolume that is held to a size, mounted by itself and exported: all that a client can ask for. */
const exported = async (name: string): Promise<void> => {
  await run('btrfs', ['qgroup', 'limit', SIZE, at(name)]);
  await run('mount', ['--bind', at(name), at(name)]);
  await writeFile(join(settings.ganesha.exports, `${name}.conf`), exportText({ id: name, tree: at(name), access: { exportId: number++, clients: ['*'], withdrawn: [] } }));
  await reader.read();
};

await mkdir(raw, { recursive: true });
printFigures(`Volumes on NFS, nfs-ganesha with btrfs: medians of ${ROUNDS} rounds`, [
  await compared({ what: 'nfs, create', rawName: 'btrfs, mount, SIGHUP by hand', rounds: ROUNDS, ours: (n) => made.create(`v${n}`), raw: async (n) => { await run('btrfs', ['subvolume', 'create', at(`v${n}`)]); await exported(`v${n}`); } }),
  await compared({ what: 'nfs, snapshot', rawName: 'btrfs subvolume snapshot', rounds: ROUNDS, ours: (n) => made.snapshot(volumes, `v${n}`, `s${n}`), raw: (n) => run('btrfs', ['subvolume', 'snapshot', '-r', at(`v${n}`), at(`s${n}`)]) }),
  await compared({
    what: 'nfs, clone of a snapshot', rawName: 'btrfs, mount, SIGHUP by hand', rounds: ROUNDS,
    ours: (n) => made.create(`c${n}`, { volumeContentSource: { snapshot: { snapshotId: made.id(`s${n}`) } } }),
    raw: async (n) => { await run('btrfs', ['subvolume', 'snapshot', at(`s${n}`), at(`c${n}`)]); await exported(`c${n}`); },
  }),
]);
