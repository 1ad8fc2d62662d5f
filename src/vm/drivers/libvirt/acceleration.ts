import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError, run } from '../../../base/process.ts';

export interface AccelerationOptions {
  /** Folder that keeps the answer until the host is started anew. */
  readonly stateFolder: string;
  /** Default `qemu-system-x86_64`. */
  readonly qemuPath?: string;
  /** Longest time for the probing guest. Default 2000. */
  readonly timeoutMs?: number;
  /** What is probed; `tcg` shows that the probing guest itself is sound. Default `kvm`. */
  readonly accelerator?: 'kvm' | 'tcg';
  readonly signal?: AbortSignal;
}

/**
 * A firmware of 64 KiB that enters 64-bit mode with paging and writes 16 to I/O port 0xf4, whose isa-debug-exit
 * device ends QEMU with exit code 33. Some hosts open /dev/kvm and run 16-bit code, but hang from here on.
 * In order: page tables at 0x1000 (one 2 MiB page), CR4.PAE, CR3, EFER.LME, GDT, CR0.PE and PG, far jump, out.
 */
const code =
  'fa31c08ed88ec066c70600100320000066c70604100000000066c70600200330000066c70604200000000066c70600308300' +
  '000066c70604300000000066b8200000000f22e066b8001000000f22d866b9800000c00f32660d000100000f302e660f0116' +
  '98000f20c0660d010000800f22c066ea7a000f000800b010e6f4f4ebfd8db400008d7400000000000000000000000000009a' +
  '20000f0088000f';
const resetVector = { offset: 0xfff0, code: 'ea000000f0' };
const exitCode = 33;

/** `kvm` only when a guest really ran on it during this boot of the host, else `tcg`. Never rejects for want of KVM. */
export async function probeAcceleration(options: AccelerationOptions): Promise<'kvm' | 'tcg'> {
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const cache = join(options.stateFolder, 'acceleration.json');
  const known = await readAnswer(cache, boot);
  if (known !== undefined) return known;
  const acceleration = (await runsGuest(options)) ? 'kvm' : 'tcg';
  await mkdir(options.stateFolder, { recursive: true });
  const temporary = `${cache}.${process.pid}`;
  await writeFile(temporary, JSON.stringify({ boot, acceleration }));
  await rename(temporary, cache);
  return acceleration;
}

async function readAnswer(path: string, boot: string): Promise<'kvm' | 'tcg' | undefined> {
  try {
    const answer = JSON.parse(await readFile(path, 'utf8')) as { boot?: unknown; acceleration?: unknown };
    if (answer.boot !== boot) return undefined;
    return answer.acceleration === 'kvm' || answer.acceleration === 'tcg' ? answer.acceleration : undefined;
  } catch {
    return undefined;
  }
}

async function runsGuest(options: AccelerationOptions): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'yadokari-kvm-'));
  try {
    const firmware = Buffer.alloc(0x10000);
    Buffer.from(code, 'hex').copy(firmware);
    Buffer.from(resetVector.code, 'hex').copy(firmware, resetVector.offset);
    await writeFile(join(folder, 'firmware.bin'), firmware);
    const args = `-accel ${options.accelerator ?? 'kvm'} -machine pc -m 4 -nodefaults -no-user-config -display none -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=1 -bios ${join(folder, 'firmware.bin')}`;
    await run(options.qemuPath ?? 'qemu-system-x86_64', args.split(' '), { timeoutMs: options.timeoutMs ?? 2000, ...(options.signal === undefined ? {} : { signal: options.signal }) });
    return false;
  } catch (error) {
    options.signal?.throwIfAborted();
    return error instanceof CommandError && error.exitCode === exitCode;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
