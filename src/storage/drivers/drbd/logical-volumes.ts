import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../../base/errors.ts';
import { CommandError, run } from '../../../base/process.ts';
import { StorageError } from '../../port.ts';
import type { DrbdSettings } from './settings.ts';

export interface LogicalVolume {
  readonly name: string;
  readonly sizeBytes: number;
  readonly tags: readonly string[];
  readonly active: boolean;
}

export interface WantedVolume {
  readonly name: string;
  /** At least. */
  readonly sizeBytes: number;
  /** False: one that is missing is an error. */
  readonly mayMake: boolean;
  /** Those that there are now. */
  readonly known: readonly LogicalVolume[];
  /** Given its path, before it is ready. */
  readonly prepare?: (path: string) => Promise<void>;
}

/** On all that is ours. */
const OURS = 'yadokari';
/** On what is not ready: whoever finds it begins anew. */
const UNREADY = 'yadokari.unready';
const GROWING = 'yadokari.growing.from.';
/** The kernel ends nothing in the middle of a step. */
const STEP_BYTES = 64 * 2 ** 20;
const MINUTES_MS = 30 * 60_000;

/** Room of a volume group, or of a thin pool of it, in pieces that have a name. Calls may be repeated. */
export class LogicalVolumes {
  readonly #group: string;
  readonly #pool: string | undefined;
  /** Sizes that this process has seen to. */
  readonly #ready = new Map<string, number>();

  constructor({ volumeGroup, thinPool }: Pick<DrbdSettings, 'volumeGroup' | 'thinPool'>) {
    this.#group = volumeGroup;
    this.#pool = thinPool;
  }

  pathOf(name: string): string {
    return join('/dev', this.#group, name);
  }

  /** Sizes are multiples of it. */
  async extentBytes(): Promise<number> {
    const [row] = await this.#report('vg', 'vgs', ['-o', 'vg_extent_size', this.#group]);
    return Number(row?.['vg_extent_size']);
  }

  /** What new ones may have together. */
  async availableBytes(): Promise<number> {
    if (this.#pool === undefined) {
      const [row] = await this.#report('vg', 'vgs', ['-o', 'vg_free', this.#group]);
      return Number(row?.['vg_free']);
    }
    const [row] = await this.#report('lv', 'lvs', ['-o', 'lv_size,data_percent,metadata_percent', `${this.#group}/${this.#pool}`]);
    const used = Math.max(Number(row?.['data_percent']), Number(row?.['metadata_percent']));
    return Math.max(Math.floor(Number(row?.['lv_size']) * (1 - used / 100)), 0);
  }

  /** Size of one that is there and active, without asking LVM. */
  async sizeOf(name: string): Promise<number | undefined> {
    try {
      return Number(await readFile(`/sys/dev/block/${numbersOf((await stat(this.pathOf(name))).rdev)}/size`, 'utf8')) * 512;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Whether `ensure` has nothing to do, without asking LVM. */
  async isReady(name: string, sizeBytes: number): Promise<boolean> {
    return (this.#ready.get(name) ?? 0) >= sizeBytes && await this.sizeOf(name) !== undefined;
  }

  /** Ours, whatever state they are in. */
  async list(): Promise<readonly LogicalVolume[]> {
    const rows = await this.#report('lv', 'lvs', ['-o', 'lv_name,lv_size,lv_tags,lv_active', this.#group]);
    const all = rows.map((row) => ({ name: row['lv_name'] ?? '', sizeBytes: Number(row['lv_size']), tags: (row['lv_tags'] ?? '').split(','), active: row['lv_active'] === 'active' }));
    return all.filter(({ tags }) => tags.includes(OURS));
  }

  /**
   * There is one of at least this size, active, that was blank and then prepared. Returns its size.
   */
  async ensure({ name, sizeBytes, mayMake, known: all, prepare }: WantedVolume): Promise<number> {
    let known = all.find((one) => one.name === name);
    if (known === undefined) {
      if (!mayMake) throw new StorageError('Failed', `logical volume ${this.#group}/${name} is gone, and so are its data`, { disposition: 'stalled' });
      // A thin pool gives nothing that is not blank.
      const tags = prepare === undefined && this.#pool !== undefined ? [OURS] : [OURS, UNREADY];
      await this.#create(name, sizeBytes, tags);
      known = { name, sizeBytes, tags, active: true };
    }
    if (!known.active) await this.#lvm('lvchange', ['--activate', 'y', '--ignoreactivationskip', `${this.#group}/${name}`]);
    if (known.tags.includes(UNREADY)) {
      await this.#blank(name, 0);
      await prepare?.(this.pathOf(name));
      await this.#lvm('lvchange', ['--deltag', UNREADY, `${this.#group}/${name}`]);
    }
    await this.#grow(known, sizeBytes);
    this.#ready.set(name, sizeBytes);
    return await this.sizeOf(name) ?? sizeBytes;
  }

  /** No error when there is none. */
  async remove(name: string): Promise<void> {
    this.#ready.delete(name);
    if (!existsSync(this.pathOf(name)) && !(await this.list()).some((one) => one.name === name)) return;
    await this.#lvm('lvremove', ['--force', `${this.#group}/${name}`]);
  }

  async #create(name: string, sizeBytes: number, tags: readonly string[]): Promise<void> {
    const size = this.#pool === undefined ? ['--size', `${sizeBytes}b`, '--wipesignatures', 'n', '--zero', 'n'] : ['--thinpool', this.#pool, '--virtualsize', `${sizeBytes}b`];
    await this.#lvm('lvcreate', ['--yes', ...size, '--name', name, ...tags.flatMap((tag) => ['--addtag', tag]), this.#group]);
  }

  /** Where it began to grow is written on it until what was added is blank. */
  async #grow({ name, sizeBytes: has, tags }: LogicalVolume, wanted: number): Promise<void> {
    const begun = tags.find((tag) => tag.startsWith(GROWING));
    if (has >= wanted && begun === undefined) return;
    const tag = begun ?? `${GROWING}${has}`;
    if (begun === undefined) await this.#lvm('lvchange', ['--addtag', tag, `${this.#group}/${name}`]);
    if (has < wanted) await this.#lvm('lvextend', ['--size', `${wanted}b`, `${this.#group}/${name}`]);
    await this.#blank(name, Number(tag.slice(GROWING.length)));
    await this.#lvm('lvchange', ['--deltag', tag, `${this.#group}/${name}`]);
  }

  /**
   * What others have left there is not to be read, and copies are the same from the beginning. It ends with this
   * process: one that goes on beside its successor would find data there.
   */
  async #blank(name: string, fromBytes: number): Promise<void> {
    if (this.#pool !== undefined) return;
    // What grows is in use.
    const force = fromBytes > 0 ? ['--force'] : [];
    await run('setpriv', ['--pdeathsig', 'KILL', '--', 'blkdiscard', ...force, '--zeroout', '--step', String(STEP_BYTES), '--offset', String(fromBytes), this.pathOf(name)], { timeoutMs: MINUTES_MS });
  }

  async #report(kind: 'lv' | 'vg', program: string, args: readonly string[]): Promise<readonly Readonly<Record<string, string>>[]> {
    const said = JSON.parse(await this.#lvm(program, ['--reportformat', 'json', '--units', 'b', '--nosuffix', ...args])) as { readonly report: readonly Readonly<Record<string, readonly Readonly<Record<string, string>>[]>>[] };
    return said.report[0]?.[kind] ?? [];
  }

  async #lvm(program: string, args: readonly string[]): Promise<string> {
    try {
      return await run(program, args, { env: lvmEnvironment() });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      if (/insufficient free space|not enough free|Insufficient suitable/i.test(error.stderr)) throw new StorageError('NoSpace', `volume group ${this.#group} has no room left`, { cause: error });
      if (/Volume group .* not found|Cannot process volume group/i.test(error.stderr)) throw new StorageError('Failed', `there is no volume group ${this.#group} on this node`, { cause: error, disposition: 'stalled' });
      throw error;
    }
  }
}

/** Major and minor of a device, as https://man7.org/linux/man-pages/man3/makedev.3.html packs them. */
function numbersOf(device: number): string {
  return `${(device >> 8) & 0xfff}:${(device & 0xff) | ((device >> 12) & 0xfff00)}`;
}

/** LVM leaves device nodes to udev, and makes them itself where there is none. */
function lvmEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C', LVM_SUPPRESS_FD_WARNINGS: '1', ...(existsSync('/run/udev/control') ? {} : { DM_DISABLE_UDEV: '1' }) };
}
