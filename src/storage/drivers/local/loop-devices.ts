import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { run } from '../../../base/process.ts';

/** Files as block devices of this node. What the kernel knows is all that is known: what is kept in between only saves looking for it. */
export class LoopDevices {
  /** Files whose file systems hold still for this process. */
  readonly #still = new Set<string>();
  /** Of files that this process has attached: the device, and the kernel's number for this use of it, which no other ever has. */
  readonly #uses = new Map<string, { readonly device: string; readonly sequence: string }>();

  /** Devices of the file, whatever it is called elsewhere. */
  async of(file: string): Promise<readonly string[]> {
    return (await run('losetup', ['--noheadings', '--output', 'NAME', '--associated', file])).split('\n').map((line) => line.trim()).filter((line) => line !== '');
  }

  async attach(file: string, readOnly: boolean): Promise<string> {
    const use = this.#uses.get(file);
    if (use !== undefined && await sequenceOf(use.device) === use.sequence) return use.device;
    const [known] = await this.of(file);
    const device = known ?? (await run('losetup', ['--find', '--show', '--direct-io=on', ...(readOnly ? ['--read-only'] : []), file])).trim();
    const sequence = await sequenceOf(device);
    if (sequence !== undefined) this.#uses.set(file, { device, sequence });
    return device;
  }

  async detach(file: string): Promise<void> {
    this.#uses.delete(file);
    for (const device of await this.of(file)) await run('losetup', ['--detach', device]);
  }

  /** The device has by now the size that its file has. */
  async refresh(file: string): Promise<void> {
    for (const device of await this.of(file)) await run('losetup', ['--set-capacity', device]);
  }

  /** Does something while the file system in the file, if it is mounted, holds still and has written all that it knows. */
  async still(file: string, work: () => Promise<void>): Promise<void> {
    const mounted = await this.#mountOf(file);
    if (mounted === undefined) return work();
    this.#still.add(file);
    try {
      await run('fsfreeze', ['--freeze', mounted]);
      await work();
    } finally {
      await run('fsfreeze', ['--unfreeze', mounted]);
      this.#still.delete(file);
    }
  }

  /** Lets a file system go on that was made to hold still by a process that is gone. */
  async thaw(file: string): Promise<void> {
    if (this.#still.has(file)) return;
    const mounted = await this.#mountOf(file);
    // One that goes on is told so by an error.
    if (mounted !== undefined) await run('fsfreeze', ['--unfreeze', mounted]).catch(() => {});
  }

  async #mountOf(file: string): Promise<string | undefined> {
    const [device] = await this.of(file);
    return device === undefined ? undefined : mountOf(device);
  }
}

/** Undefined before Linux 5.15. */
async function sequenceOf(device: string): Promise<string | undefined> {
  return readFile(`/sys/block/${basename(device)}/diskseq`, 'utf8').catch(() => undefined);
}

/** One of the places where the device is mounted. */
async function mountOf(device: string): Promise<string | undefined> {
  const lines = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' '));
  return lines.find(([source]) => source === device)?.[1]?.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
