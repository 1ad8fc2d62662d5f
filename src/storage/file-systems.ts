import { readFile } from 'node:fs/promises';
import { CommandError, run } from '../base/process.ts';
import { StorageError } from './port.ts';

interface FileSystem {
  readonly make: (device: string) => readonly string[];
  /** Repairs what can be repaired without losing anything; run before each mount. */
  readonly check?: readonly string[];
  /** Lets it fill its device before it is mounted, where that takes fewer rights than while it is. */
  readonly growAside?: { readonly sizeBytes: (device: string) => Promise<number>; readonly steps: (device: string) => readonly (readonly string[])[] };
  /** Lets it fill its device while it is mounted. */
  readonly grow: (device: string, mounted: string) => readonly string[];
  readonly mountOptions: readonly string[];
  /** Smaller ones cannot be made. */
  readonly leastBytes: number;
}

const FILE_SYSTEMS: Readonly<Record<string, FileSystem>> = {
  ext4: {
    make: (device) => ['mkfs.ext4', '-F', '-q', '-m', '0', device], check: ['e2fsck', '-p'],
    growAside: { sizeBytes: ext4Bytes, steps: (device) => [['e2fsck', '-f', '-p', device], ['resize2fs', device]] },
    grow: (device) => ['resize2fs', device], mountOptions: [], leastBytes: 0,
  },
  // Copies have the identity of what they are copied from, which may be mounted beside them.
  xfs: { make: (device) => ['mkfs.xfs', '-q', device], grow: (_, mounted) => ['xfs_growfs', mounted], mountOptions: ['nouuid'], leastBytes: 300 * 1024 ** 2 },
};

const MINUTES_MS = 10 * 60_000;

/** https://man7.org/linux/man-pages/man7/capabilities.7.html */
const CAP_SYS_RESOURCE = 24n;

/** File systems whose programs are on this node. */
export async function offeredTypes(): Promise<readonly string[]> {
  const types = await Promise.all(Object.entries(FILE_SYSTEMS).map(async ([type, { make }]) => {
    const there = await run('sh', ['-c', 'command -v "$1"', 'sh', make('')[0] ?? '']).then(() => true, () => false);
    return there ? [type] : [];
  }));
  return types.flat();
}

export function isKnownType(type: string): boolean {
  return FILE_SYSTEMS[type] !== undefined;
}

/** What is on the device: a file system's type, `unknown` when it is something else, undefined when it is blank. */
export async function contentOf(device: string): Promise<string | undefined> {
  try {
    const said = await run('blkid', ['-p', '-s', 'TYPE', '-s', 'PTTYPE', '-o', 'export', device]);
    return /^TYPE=(.+)$/m.exec(said)?.[1] ?? 'unknown';
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === 2) return undefined;
    throw error;
  }
}

/**
 * A file system is on the device afterwards, whole as far as that is known, of the wanted type or, where nobody wants
 * one, of any known; its type. Content of another kind is never written over.
 */
export async function ensureFileSystem(device: string, wanted: string, readOnly: boolean): Promise<string> {
  const found = await contentOf(device);
  const type = wanted !== '' ? wanted : found ?? await defaultType(device);
  if (found !== undefined && found !== type) throw new StorageError('Failed', `there is ${found} on the volume, and ${type} was asked for`, { disposition: 'stalled' });
  const { make, check, growAside } = of(type);
  if (found === undefined && readOnly) throw new StorageError('Failed', 'the volume is blank, and may not be written to');
  if (found === undefined) await command(make(device));
  else if (readOnly) return type;
  else if (growAside !== undefined && await growAside.sizeBytes(device) < await bytesOf(device)) for (const step of growAside.steps(device)) await command(step);
  else if (check !== undefined) await command([...check, device]);
  return type;
}

export function mountOptionsOf(type: string): readonly string[] {
  return of(type).mountOptions;
}

/** ext4, unless this node may not let that grow while it is in use, and can make one that it may. */
async function defaultType(device: string): Promise<string> {
  const [, capabilities = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(await readFile('/proc/self/status', 'utf8')) ?? [];
  const mayGrow = (BigInt(`0x${capabilities}`) >> CAP_SYS_RESOURCE) % 2n === 1n;
  const xfs = of('xfs');
  return !mayGrow && (await offeredTypes()).includes('xfs') && await bytesOf(device) >= xfs.leastBytes ? 'xfs' : 'ext4';
}

/** Whether ensureFileSystem has let it fill its device. */
export function growsAside(type: string): boolean {
  return of(type).growAside !== undefined;
}

/** Rejects with VolumeInUse where it has to be unmounted for that. */
export async function growFileSystem(device: string, mounted: string, type: string): Promise<void> {
  try {
    await command(of(type).grow(device, mounted));
  } catch (error) {
    // The kernel asks for CAP_SYS_RESOURCE.
    if (error instanceof CommandError && error.stderr.includes('Permission denied')) throw new StorageError('VolumeInUse', `this node may not grow ${type} while it is in use; it grows when the pod starts anew`, { cause: error });
    throw error;
  }
}

async function bytesOf(device: string): Promise<number> {
  return Number(await run('blockdev', ['--getsize64', device]));
}

async function ext4Bytes(device: string): Promise<number> {
  const said = await run('dumpe2fs', ['-h', device]);
  const [blocks, size] = ['Block count', 'Block size'].map((name) => Number(new RegExp(`^${name}:\\s+(\\d+)$`, 'm').exec(said)?.[1]));
  return (blocks ?? NaN) * (size ?? NaN);
}

function of(type: string): FileSystem {
  const known = FILE_SYSTEMS[type];
  if (known === undefined) throw new StorageError('Unsupported', `the file system ${type} is not known here; ${Object.keys(FILE_SYSTEMS).join(' and ')} are`);
  return known;
}

async function command([program = '', ...args]: readonly string[]): Promise<void> {
  await run(program, args, { timeoutMs: MINUTES_MS }).catch((error: unknown) => {
    // It has repaired something.
    if (!(program === 'e2fsck' && error instanceof CommandError && error.exitCode === 1)) throw error;
  });
}
