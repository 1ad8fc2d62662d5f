import type { CephConnection } from './connection.ts';
import { CephError, ERRNO, instead, isErrno } from './errors.ts';

export interface SubvolumesOptions {
  readonly connection: CephConnection;
  readonly filesystem: string;
  readonly group: string;
}

export type CloneState = 'pending' | 'in-progress' | 'complete' | 'failed' | 'canceled';

/** Subvolumes of one group of a CephFS: https://docs.ceph.com/en/pacific/cephfs/fs-volumes/. The manager answers each call at once. Rejects with CephError. */
export class Subvolumes {
  readonly #options: SubvolumesOptions;

  constructor(options: SubvolumesOptions) {
    this.#options = options;
  }

  /** Whoever is in a pod may write to its root. The first of its group makes that too. */
  async create(name: string, sizeBytes: number): Promise<void> {
    const make = () => this.#command('subvolume create', { sub_name: name, size: sizeBytes, mode: '777' });
    await make().catch(async (error: unknown) => {
      if (!isErrno(error, 'ENOENT')) throw error;
      await this.#command('subvolumegroup create', {});
      await make();
    });
  }

  async names(): Promise<readonly string[]> {
    const found = await this.#command<readonly { readonly name: string }[]>('subvolume ls', {}).catch(instead([], 'ENOENT'));
    return found.map(({ name }) => name);
  }

  async pathOf(name: string): Promise<string> {
    return this.#command<string>('subvolume getpath', { sub_name: name });
  }

  async grow(name: string, sizeBytes: number): Promise<void> {
    await this.#command('subvolume resize', { sub_name: name, new_size: String(sizeBytes), no_shrink: true });
  }

  /** Its snapshots stay, and what they need of it; the last of them takes it along. */
  async remove(name: string): Promise<void> {
    await this.#command('subvolume rm', { sub_name: name, retain_snapshots: true }).catch(instead(undefined, 'ENOENT'));
  }

  /** Whatever there is of one that is not whole. */
  async discard(name: string): Promise<void> {
    await this.#command('clone cancel', { clone_name: name }).catch(instead(undefined, 'ENOENT', 'EINVAL', 'EOPNOTSUPP'));
    // A copy that is removed while Ceph is at it holds up all that come after it.
    const state = await this.cloneState(name);
    if (state === 'pending' || state === 'in-progress') throw new CephError(ERRNO.EAGAIN, `the copy ${name} is still ${state}`);
    await this.#command('subvolume rm', { sub_name: name, force: true }).catch(instead(undefined, 'ENOENT'));
  }

  async snapshot(name: string, snapshot: string): Promise<void> {
    await this.#command('subvolume snapshot create', { sub_name: name, snap_name: snapshot }).catch(instead(undefined, 'EEXIST'));
  }

  async removeSnapshot(name: string, snapshot: string): Promise<void> {
    await this.#command('subvolume snapshot rm', { sub_name: name, snap_name: snapshot }).catch(instead(undefined, 'ENOENT'));
  }

  /** Begins a copy. */
  async clone(name: string, snapshot: string, copy: string): Promise<void> {
    await this.#command('subvolume snapshot clone', { sub_name: name, snap_name: snapshot, target_sub_name: copy, target_group_name: this.#options.group }).catch(instead(undefined, 'EEXIST'));
  }

  /** Undefined when it was never begun, or is no copy. */
  async cloneState(copy: string): Promise<CloneState | undefined> {
    const said = await this.#command<{ readonly status: { readonly state: CloneState } } | undefined>('clone status', { clone_name: copy }).catch(instead(undefined, 'ENOENT', 'EOPNOTSUPP'));
    return said?.status.state;
  }

  async probe(): Promise<void> {
    await this.#options.connection.command('mgr', { prefix: 'fs subvolumegroup ls', vol_name: this.#options.filesystem });
  }

  #command<T>(command: string, args: object): Promise<T> {
    const { connection, filesystem, group } = this.#options;
    return connection.command<T>('mgr', { prefix: `fs ${command}`, vol_name: filesystem, group_name: group, ...args });
  }
}
