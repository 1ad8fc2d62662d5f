import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../base/errors.ts';
import { run } from '../../../base/process.ts';
import { mountAt } from '../../mounts.ts';
import { StorageError } from '../../port.ts';
import type { Place } from './catalog.ts';
import { writeConf, writeKey } from './client-files.ts';
import { endProcesses, leaveContainer, processesOf } from './daemons.ts';
import { program, qemuOfCeph } from './programs.ts';
import type { AttachedImages, Door } from './rbd-node.ts';
import { qemuImage } from './qemu-image.ts';
import { qmp } from './qmp.ts';
import type { CephSettings, CephUser } from './settings.ts';

export interface ServedImagesOptions {
  /** A folder here for each image that is attached. */
  readonly folder: string;
  readonly place: Place;
  readonly settings: CephSettings;
  readonly user: CephUser;
}

const PROGRAM = 'qemu-storage-daemon';
/** The file with the address of its client. */
const CLIENT = 'client';
/** The file with the name of its loop device, and the number that the kernel gave to this use of it. */
const LOOP = 'loop';
const START_MS = 30_000;
/** Until it has written and closed all. */
const END_MS = 15_000;
const LOOP_MS = 10_000;
const SIZE_MS = 10_000;

/**
 * Images as loop devices, where the kernel cannot map them: a qemu-storage-daemon for each makes a file of it, which
 * goes on when the driver ends. What is in its folder, and who runs for that, is all that is known.
 */
export class ServedImages implements AttachedImages {
  readonly needed = [program(PROGRAM, 'qemu-system-common'), qemuOfCeph];
  readonly #options: ServedImagesOptions;

  constructor(options: ServedImagesOptions) {
    this.#options = options;
  }

  async attach(id: string, image: string, readOnly: boolean, door: Door): Promise<string> {
    const folder = this.#folderOf(id);
    const client = await this.#clientIn(folder);
    const isAdmitted = client !== undefined && await this.#admit(folder, client, door);
    if (!isAdmitted) {
      // The folder is made first, and goes last.
      if (await stat(folder).then(() => true, () => false)) await this.#end(folder);
      await this.#admit(folder, await this.#open(folder, image, door), door);
    }
    const [known] = await loopsOf(folder);
    const device = known ?? (await run('losetup', ['--find', '--show', '--direct-io=on', ...(readOnly ? ['--read-only'] : []), join(folder, 'data')])).trim();
    await noteLoop(folder, device);
    return device;
  }

  async detach(id: string): Promise<void> {
    await this.#end(this.#folderOf(id));
  }

  async refresh(id: string, sizeBytes: number): Promise<void> {
    const folder = this.#folderOf(id);
    if (!await this.#serves(folder)) throw new StorageError('NotAttached', `volume ${id} is not attached on this node`);
    await qmp(join(folder, 'qmp.sock'), { execute: 'block_resize', arguments: { 'node-name': 'image', size: sizeBytes } });
    await this.#shows(join(folder, 'data'), sizeBytes);
    for (const device of await loopsOf(folder)) await run('losetup', ['--set-capacity', device]);
  }

  attached(): Promise<readonly string[]> {
    return readdir(this.#options.folder).catch(() => []);
  }

  async clients(): Promise<readonly string[]> {
    const names = await this.attached();
    const found = await Promise.all(names.map((name) => this.#clientIn(join(this.#options.folder, name), { answering: false })));
    return found.filter((client) => client !== undefined);
  }

  /** The address of its client, where one serves what is in the folder. */
  async #clientIn(folder: string, { answering = true } = {}): Promise<string | undefined> {
    const client = await readFile(join(folder, CLIENT), 'utf8').catch(() => undefined);
    if (client === undefined) return undefined;
    const running = answering ? await this.#serves(folder) : (await processesOf(PROGRAM, `${folder}/`)).length > 0;
    return running ? client : undefined;
  }

  /** Nothing is there of what may not be. */
  async #admit(folder: string, client: string, door: Door): Promise<boolean> {
    return door.admit(client).catch(async (error: unknown) => {
      if (error instanceof StorageError && error.code === 'NotAttached') await this.#end(folder);
      throw error;
    });
  }

  async #open(folder: string, image: string, door: Door): Promise<string> {
    try {
      const client = await door.clientOf(() => this.#serve(folder, image));
      await writeFile(join(folder, CLIENT), client, { mode: 0o600 });
      return client;
    } catch (error) {
      await this.#end(folder);
      throw new StorageError('BackendUnreachable', `image ${image} cannot be opened on this node: ${messageOf(error)}`, { cause: error });
    }
  }

  #folderOf(id: string): string {
    return join(this.#options.folder, id);
  }

  async #serves(folder: string): Promise<boolean> {
    if ((await processesOf(PROGRAM, `${folder}/`)).length !== 1 || await mountAt(join(folder, 'data')) === undefined) return false;
    return qmp(join(folder, 'qmp.sock')).then(() => true, () => false);
  }

  /** The kernel goes on with the size that it knows for a while, and a loop device takes that. */
  async #shows(data: string, sizeBytes: number): Promise<void> {
    for (const giveUpAt = Date.now() + SIZE_MS; (await stat(data)).size < sizeBytes; await delay(50)) {
      if (Date.now() > giveUpAt) throw new StorageError('Failed', `${data} has not grown to ${sizeBytes} bytes`);
    }
  }

  async #serve(folder: string, image: string): Promise<void> {
    const { settings, user, place } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const [conf, key, data] = [await writeConf(folder, settings), await writeKey(folder, user), join(folder, 'data')];
    await writeFile(data, '', { mode: 0o600 });
    await run(PROGRAM, [
      '--daemonize',
      ...qemuImage({ node: 'image', place, image, user, key, conf, more: { discard: 'unmap' } }),
      '--export', JSON.stringify({ type: 'fuse', id: 'file', 'node-name': 'image', mountpoint: data, writable: true, growable: false, 'allow-other': 'off' }),
      '--chardev', `socket,id=control,server=on,wait=off,path=${join(folder, 'qmp.sock')}`,
      '--monitor', 'control',
    ], { timeoutMs: START_MS });
    await leaveContainer(PROGRAM, `${folder}/`);
    // It has read it by now.
    await rm(key);
  }

  /** Nothing of it is there afterwards, whoever began it. */
  async #end(folder: string): Promise<void> {
    for (const giveUpAt = Date.now() + LOOP_MS; (await loopsOf(folder)).length > 0; await delay(20)) {
      if (Date.now() > giveUpAt) throw await inUse(await loopsOf(folder));
      for (const device of await loopsOf(folder)) await run('losetup', ['--detach', device]).catch(() => {});
    }
    const polite = await qmp(join(folder, 'qmp.sock'), { execute: 'quit' }).then(() => true, () => false);
    await endProcesses(PROGRAM, `${folder}/`, polite ? END_MS : 0);
    while (await mountAt(join(folder, 'data')) !== undefined) await run('umount', ['--lazy', '--', join(folder, 'data')]);
    await rm(folder, { recursive: true, force: true });
  }
}

/** For whoever cleans up after a node that has died: what such a device is of is not to be seen any more by then. */
async function noteLoop(folder: string, device: string): Promise<void> {
  const sequence = await readFile(`/sys/block/${basename(device)}/diskseq`, 'utf8').catch(() => '');
  await writeFile(join(folder, LOOP), `${device} ${sequence.trim()}`, { mode: 0o600 });
}

/**
 * Devices of what is in the folder: the one that was written down, or those of its path. Where nodes share a kernel others
 * have files of the same path, on other devices. Only what may be ours is opened: one that hangs holds up who opens it.
 */
async function loopsOf(folder: string): Promise<readonly string[]> {
  const [known] = (await readFile(join(folder, LOOP), 'utf8').catch(() => '')).split(' ');
  if (known !== undefined && known !== '') {
    const file = await fileBehind(known);
    // What is unmounted already has no path.
    return file === '/' || file?.startsWith(`${folder}/`) === true ? [known] : [];
  }
  const number = (await mountAt(join(folder, 'data')))?.device;
  if (number === undefined) return [];
  const names = (await readdir('/sys/block')).filter((name) => name.startsWith('loop')).map((name) => `/dev/${name}`);
  const found = await Promise.all(names.map(async (name) => ((await fileBehind(name))?.startsWith(`${folder}/`) === true && await numberBehind(name) === number ? [name] : [])));
  return found.flat();
}

async function fileBehind(device: string): Promise<string | undefined> {
  return readFile(`/sys/block/${basename(device)}/loop/backing_file`, 'utf8').then((text) => text.trim(), () => undefined);
}

async function numberBehind(device: string): Promise<string> {
  return (await run('losetup', ['--noheadings', '--list', '--raw', '--output', 'BACK-MAJ:MIN', device])).replaceAll('\\x20', '').trim();
}

/** A mount namespace that somebody made meanwhile has a copy of each mount, and keeps it. */
async function inUse(devices: readonly string[]): Promise<StorageError> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const holders = await Promise.all(pids.map(async (pid) => {
    const mounted = (await readFile(`/proc/${pid}/mounts`, 'utf8').catch(() => '')).split('\n');
    return mounted.some((line) => devices.includes(line.split(' ')[0] ?? '')) ? [pid] : [];
  }));
  const where = holders.flat();
  return new StorageError('VolumeInUse', `${devices.join(', ')} is in use${where.length === 0 ? '' : `: it is mounted where process ${where.slice(0, 5).join(', ')} runs`}`);
}
