import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readdir, readFile, readlink, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { DiskCopyProgress } from '../../src/api/disk-copies.ts';
import type { DiskTargetOptions } from '../../src/agent/disk-target.ts';
import { run } from '../../src/base/process.ts';
import { VOLUME_FILE } from '../../src/vm/disks/volume-file.ts';
import { runCopyTask, type CopyTask } from '../env/copy-task.ts';
import { randomOf } from '../env/faults.ts';
import { ImageCloud } from '../env/image-cloud.ts';
import { tied } from '../env/tied.ts';

const MI = 2 ** 20;
const SEGMENT = 4 * MI;
/** With a last segment that is short, and of a whole number of sectors. */
const SIZE = 32 * MI + 5 * 512;
const KILLS = Number(process.env['YADO_TEST_ROUNDS'] ?? 2);
const seed = Number(process.env['YADO_TEST_SEED'] ?? Date.now() % 2 ** 31);
const next = randomOf(seed);
const program = join(import.meta.dirname, '../env/copying.ts');

describe(`disks of a cloud that are copied (YADO_TEST_SEED=${seed})`, { timeout: 300_000 }, () => {
  let root: string;
  let cloud: ImageCloud;
  let device: string;
  const raw = (): string => join(root, 'disk.raw');

  /** Words of their own at places by chance, so that some clusters are whole, some in part, and some not there. */
  const scribble = async (path: string, regions: number): Promise<void> => {
    const file = await open(path, 'r+');
    for (let region = 0; region < regions; region += 1) {
      const lengthBytes = Math.floor(next() * 700_000) + 1;
      await file.write(Buffer.from(Uint8Array.from({ length: lengthBytes }, (_, index) => (index * 31 + region + seed) % 251)), 0, lengthBytes, Math.floor(next() * (SIZE - lengthBytes)));
    }
    await file.close();
  };

  const offer = async (id: string, format: 'raw' | 'qcow2', ...options: readonly string[]): Promise<void> => {
    const path = join(root, `${id}.${format}`);
    await run('qemu-img', ['convert', '-f', 'raw', '-O', format, ...options, raw(), path]);
    await cloud.add(id, path, format);
  };

  const folderTarget = async (name: string): Promise<DiskTargetOptions & { readonly content: string }> => {
    const path = join(root, name);
    await mkdir(path, { recursive: true });
    return { path, mode: 'Filesystem', sizeBytes: SIZE, content: join(path, VOLUME_FILE) };
  };

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'yado-copy-'));
    cloud = await ImageCloud.start();
    const backing = join(root, 'device');
    await (await open(backing, 'w')).close();
    await truncate(backing, 64 * MI);
    device = (await run('losetup', ['--find', '--show', backing])).trim();
    await (await open(raw(), 'w')).close();
    await truncate(raw(), SIZE);
    await scribble(raw(), 25);
  });

  after(async () => {
    await cloud?.[Symbol.asyncDispose]();
    if (device !== undefined) await run('losetup', ['--detach', device]);
    await rm(root, { recursive: true, force: true });
  });

  const taskOf = (task: Omit<CopyTask, 'clouds' | 'folder'>): CopyTask => ({ ...task, clouds: cloud.clouds, folder: join(root, 'run') });

  const copyWhole = async (task: Omit<CopyTask, 'clouds' | 'folder'>): Promise<DiskCopyProgress> => {
    const last = await runCopyTask(taskOf(task), () => {});
    assert.deepEqual([last.phase, last.offsetBytes], ['Verifying', SIZE]);
    return last;
  };

  /** Kills a process that copies when it has told so many times how far it is; what it told last. */
  const copyAndKill = async (task: Omit<CopyTask, 'clouds' | 'folder'>, told: number): Promise<DiskCopyProgress> => {
    const child = spawn('setpriv', [...tied, program, JSON.stringify(taskOf(task))], { stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = once(child, 'close');
    const said = text(child.stderr);
    const lines: string[] = [];
    for await (const line of createInterface(child.stdout)) {
      lines.push(line);
      if (lines.length === told) child.kill('SIGKILL');
    }
    assert.deepEqual(await ended, [null, 'SIGKILL'], await said);
    return JSON.parse(lines.at(-1) ?? '') as DiskCopyProgress;
  };

  const readers = async (): Promise<readonly string[]> => {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')));
    return folders.filter((folder) => folder.startsWith(root));
  };

  const nobodyReads = async (): Promise<void> => {
    for (const giveUpAt = Date.now() + 10_000; (await readers()).length > 0; await delay(50)) assert.ok(Date.now() < giveUpAt, 'QEMU goes on without the program that started it');
  };

  const isSame = async (path: string): Promise<void> => void await run('cmp', ['--bytes', String(SIZE), raw(), path]);

  /** With kills by chance, each followed by a process that goes on where the last one had got to. */
  const copyUnderKills = async (image: string, format: 'raw' | 'qcow2', target: DiskTargetOptions & { readonly content: string }): Promise<string> => {
    let from: DiskCopyProgress | undefined;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const last: DiskCopyProgress = await copyAndKill({ image, format, target, ...(from === undefined ? {} : { from }) }, 1 + Math.floor(next() * 4));
      if (last.phase === 'Copying') assert.ok(last.offsetBytes > (from?.offsetBytes ?? 0));
      from = last;
      await nobodyReads();
      cloud.endTokens();
    }
    const { digest } = await copyWhole({ image, format, target, ...(from === undefined ? {} : { from }) });
    await isSame(target.content);
    return digest;
  };

  it('are whole after kills and broken connections, whatever their format is and wherever they are copied to', async () => {
    await offer('raw-1', 'raw');
    await offer('qcow2-1', 'qcow2');
    await offer('compressed-1', 'qcow2', '-c');
    let answers = 0;
    cloud.breaks = () => (answers += 1) % 3 === 2;
    const onDevice = { path: device, mode: 'Block', sizeBytes: SIZE, content: device } as const;
    const digests = [
      await copyUnderKills('raw-1', 'raw', await folderTarget('raw')),
      await copyUnderKills('qcow2-1', 'qcow2', onDevice),
      await copyUnderKills('compressed-1', 'qcow2', await folderTarget('compressed')),
    ];
    cloud.breaks = () => false;
    assert.equal(new Set(digests).size, 1);
    assert.deepEqual(await readers(), []);
  });

  it('are read from a qcow2 image by what it holds: what is nowhere is not asked for', async () => {
    await offer('compressed-2', 'qcow2', '-c');
    const image = (await readFile(join(root, 'compressed-2.qcow2'))).length;
    cloud.askedBytes = 0;
    await copyWhole({ image: 'compressed-2', format: 'qcow2', target: await folderTarget('sparse') });
    assert.ok(cloud.askedBytes < 4 * image, `${cloud.askedBytes} bytes were asked for of ${image}`);
  });

  it('are written where they have changed, and nowhere else', async () => {
    const target = await folderTarget('warm');
    await offer('raw-3', 'raw');
    const { writtenBytes } = await copyWhole({ image: 'raw-3', format: 'raw', target });
    assert.ok(writtenBytes > 0);
    const first = await readFile(raw());
    await scribble(raw(), 2);
    const second = await readFile(raw());
    await offer('qcow2-3', 'qcow2');
    const again = await copyWhole({ image: 'qcow2-3', format: 'qcow2', target });
    let changed = 0;
    for (let offset = 0; offset < SIZE; offset += SEGMENT) if (!first.subarray(offset, offset + SEGMENT).equals(second.subarray(offset, offset + SEGMENT))) changed += Math.min(SEGMENT, SIZE - offset);
    assert.equal(again.writtenBytes, changed);
    await isSame(target.content);
  });

  it('are refused where the image leads to other files, and where the device is too small', async () => {
    const path = join(root, 'based.qcow2');
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', raw(), '-F', 'raw', path]);
    await cloud.add('based', path, 'qcow2');
    await assert.rejects(copyWhole({ image: 'based', format: 'qcow2', target: await folderTarget('based') }), /based on another file/);
    await offer('raw-4', 'raw');
    await assert.rejects(copyWhole({ image: 'raw-4', format: 'raw', target: { path: device, mode: 'Block', sizeBytes: 64 * MI + 1 } }), { code: 'VolumeTooSmall', disposition: 'stalled' });
  });
});
