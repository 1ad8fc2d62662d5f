import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../base/process.ts';
import { abort, unpackPackages } from '../images/packages.ts';
import { cachedBuild } from '../images/build-cache.ts';
import type { GuestImage } from '../images/guest-image.ts';

const SECTOR = 512;
/** Where the one partition begins, in sectors, as partitioning tools have it. */
const START = 2048;
const PARTITION_MIB = 48;
const FAT32_LBA = 0x0c;
/** Of an x86 disk: what the BIOS loads, and the table of partitions behind it. */
const TABLE = 446;
const tools = ['syslinux', 'syslinux-common', 'mtools', 'dosfstools'] as const;

export interface GuestDiskOptions {
  /** What boots, as buildGuestImage gives it. */
  readonly guest: Pick<GuestImage, 'path'>;
  /** Where built disks are kept and found again. */
  readonly cacheFolder: string;
  readonly signal?: AbortSignal;
}

/** Builds a disk that any machine with a BIOS boots by itself: SYSLINUX and a guest's kernel on a FAT. Or finds the one built before; the path of its raw bytes. */
export async function buildGuestDisk({ guest, cacheFolder, signal }: GuestDiskOptions): Promise<string> {
  return cachedBuild({
    name: 'tiny-disk.raw', cacheFolder, inputs: [guest.path, await readFile(new URL(import.meta.url), 'utf8')],
    build: (folder) => buildDisk(folder, guest.path, signal),
  });
}

async function buildDisk(folder: string, guest: string, signal?: AbortSignal): Promise<Buffer> {
  const [syslinux = '', common = '', mtools = '', dosfstools = ''] = await unpackPackages(tools, { folder, ...abort(signal) });
  const environment = { ...process.env, PATH: `${mtools}/usr/bin:${process.env['PATH'] ?? ''}`, MTOOLS_SKIP_CHECK: '1' };
  const call = (file: string, ...args: readonly string[]) => run(file, args, { cwd: folder, env: environment, ...abort(signal) });
  await mkdir(join(folder, 'boot'));
  await call('tar', '--extract', '--file', guest, '--directory', join(folder, 'boot'));
  const commandLine = (await readFile(join(folder, 'boot/cmdline'), 'utf8')).trim();
  await writeFile(join(folder, 'boot/syslinux.cfg'), `SERIAL 0 115200\nDEFAULT tiny\nPROMPT 0\nLABEL tiny\n  LINUX vmlinuz\n  INITRD initrd.img\n  APPEND ${commandLine}\n`);
  await call(`${dosfstools}/sbin/mkfs.fat`, '-C', '-F', '32', '-h', String(START), '-n', 'TINY', 'partition', String(PARTITION_MIB * 1024));
  await call(`${mtools}/usr/bin/mcopy`, '-i', 'partition', 'boot/vmlinuz', 'boot/initrd.img', 'boot/syslinux.cfg', '::');
  await call(`${syslinux}/usr/bin/syslinux`, '--install', 'partition');
  return wholeDisk(await readFile(`${common}/usr/lib/syslinux/mbr/mbr.bin`), await readFile(join(folder, 'partition')));
}

/** A disk with one active partition. Units are bytes; both ends are whole sectors. */
export function wholeDisk(loader: Uint8Array, partition: Uint8Array): Buffer {
  const disk = Buffer.alloc(START * SECTOR + partition.length);
  disk.set(loader.subarray(0, TABLE));
  // Cylinders and heads are beyond what their fields hold: the numbers of sectors count.
  disk.set([0x80, 0xfe, 0xff, 0xff, FAT32_LBA, 0xfe, 0xff, 0xff], TABLE);
  disk.writeUInt32LE(START, TABLE + 8);
  disk.writeUInt32LE(partition.length / SECTOR, TABLE + 12);
  disk.set([0x55, 0xaa], SECTOR - 2);
  disk.set(partition, START * SECTOR);
  return disk;
}
