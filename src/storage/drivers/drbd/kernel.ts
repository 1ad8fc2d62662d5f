import { readFile } from 'node:fs/promises';
import { errnoOf } from '../../../base/errors.ts';
import { run } from '../../../base/process.ts';
import { StorageError } from '../../port.ts';
import { parseProcDrbd, versionOf, type KernelState } from './kernel-state.ts';

const PROC = '/proc/drbd';
/** A call for help that the kernel waits for ends within this. */
const CALL_MS = 60_000;

/** DRBD of this node's kernel, by its own programs; they are called only when something is to change. */
export class DrbdKernel {
  /** Rejects where the kernel has none. */
  async version(): Promise<string> {
    const text = await readProc();
    const version = text === undefined ? undefined : versionOf(text);
    if (version !== undefined) return version;
    await run('modprobe', ['drbd']).catch(() => '');
    const again = versionOf(await readProc() ?? '');
    if (again === undefined) throw new StorageError('Unsupported', 'the kernel of this node has no DRBD: load the module drbd', { disposition: 'stalled' });
    return again;
  }

  async states(): Promise<ReadonlyMap<number, KernelState>> {
    return parseProcDrbd(await readProc() ?? '');
  }

  async state(minor: number): Promise<KernelState | undefined> {
    return (await this.states()).get(minor);
  }

  async sizeOf(minor: number): Promise<number> {
    const sectors = await readFile(`/sys/class/block/drbd${minor}/size`, 'utf8').catch((error: unknown) => (errnoOf(error) === 'ENOENT' ? '0' : Promise.reject(error)));
    return Number(sectors) * 512;
  }

  /** Room for what DRBD keeps of its own; what it kept there is gone. */
  async createMetadata(minor: number, path: string, major: number, peers: number): Promise<void> {
    const [format, more] = major >= 9 ? ['v09', [String(Math.max(peers, 1))]] : ['v08', []];
    await run('drbdmeta', [String(minor), format, path, 'flex-external', 'create-md', ...more, '--force'], { timeoutMs: CALL_MS });
  }

  async setup(args: readonly string[], signal?: AbortSignal): Promise<void> {
    await run('drbdsetup', args, { timeoutMs: CALL_MS, ...(signal === undefined ? {} : { signal }) });
  }

  /** Runs `drbdadm`, as it is in the resource's file. */
  async admin(args: readonly string[], signal?: AbortSignal): Promise<void> {
    await run('drbdadm', args, { timeoutMs: CALL_MS, ...(signal === undefined ? {} : { signal }) });
  }
}

async function readProc(): Promise<string | undefined> {
  return readFile(PROC, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
}
