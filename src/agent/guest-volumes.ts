import { readFile, stat } from 'node:fs/promises';
import { attachmentName, diskVolume, filesystemVolume, listsClaim } from '../api/anchor-volumes.ts';
import type { CompiledDisk, CompiledFilesystem } from '../api/compiled-guest.ts';
import type { Pod } from '../kube/core.ts';
import type { Informer } from '../kube/informer.ts';
import { isDeleting, keyFor } from '../kube/object.ts';
import { ensureVolumeFile, volumeFileBytes } from '../vm/disks/volume-file.ts';
import type { GuestDisk, GuestFilesystem } from '../vm/port.ts';
import type { Anchor } from './anchor.ts';
import { VolumePendingError, type PublishedVolumes, type VolumeUser } from './published-volumes.ts';

export interface GuestVolumesOptions {
  /** Pods bound to this node. */
  readonly pods: Informer<Pod>;
  readonly published: PublishedVolumes;
}

/** What of a guest lies on claims, as the kubelet has published it for the anchor or for the pod of an attachment. */
export class GuestVolumes {
  readonly #options: GuestVolumesOptions;

  constructor(options: GuestVolumesOptions) {
    this.#options = options;
  }

  /** Rejects with VolumePendingError while the volume is not there, and with an ImageError when it can be no disk. */
  async disk(anchor: Anchor, disk: CompiledDisk, signal: AbortSignal): Promise<GuestDisk> {
    const { name, readOnly, claim = { name: '', mode: 'Filesystem' } } = disk;
    const { user, pod } = this.#userOf(anchor, disk);
    const pending = new VolumePendingError(claim.name, pod);
    if (user === undefined) throw pending;
    const common = { name, readOnly, format: 'raw', device: 'disk' } as const;
    if (claim.mode === 'Block') {
      const path = await this.#options.published.device(user, claim.name, signal);
      if (path === undefined) throw pending;
      return { ...common, path, source: 'block' };
    }
    const folder = await this.#options.published.folder(user, claim.name, signal);
    if (folder === undefined) throw pending;
    return { ...common, path: await ensureVolumeFile(folder, { capacityBytes: disk.sizeBytes, readOnly }) };
  }

  /** Whether the pod that holds the volume for a running guest is being deleted: the guest must let go of the disk first. */
  isLeaving(anchor: Anchor, { name, claim }: CompiledDisk): boolean {
    if (listsClaim(anchor.pod, diskVolume(name), claim?.name ?? '')) return false;
    const attachment = this.#options.pods.get(keyFor(anchor.namespace, attachmentName(anchor.name, name)));
    return attachment !== undefined && isDeleting(attachment);
  }

  async filesystem(anchor: Anchor, { name, claim, tag }: CompiledFilesystem, signal: AbortSignal): Promise<GuestFilesystem> {
    const user = listsClaim(anchor.pod, filesystemVolume(name), claim) ? userFrom(anchor.pod) : undefined;
    const path = user === undefined ? undefined : await this.#options.published.folder(user, claim, signal);
    if (path === undefined) throw new VolumePendingError(claim, anchor.name);
    return { tag, path };
  }

  /** What the guest may see of a disk now, in bytes. */
  async sizeBytes({ sizeBytes }: CompiledDisk, { path, source }: GuestDisk): Promise<number> {
    return source === 'block' ? deviceBytes(path) : volumeFileBytes(sizeBytes);
  }

  #userOf(anchor: Anchor, { name, claim }: CompiledDisk): { readonly user: VolumeUser | undefined; readonly pod: string } {
    const volume = diskVolume(name);
    if (listsClaim(anchor.pod, volume, claim?.name ?? '')) return { user: userFrom(anchor.pod), pod: anchor.name };
    const pod = attachmentName(anchor.name, name);
    const attachment = this.#options.pods.get(keyFor(anchor.namespace, pod));
    // One that is on its way out must not be used anew: its volume goes with it.
    const usable = attachment !== undefined && !isDeleting(attachment) && listsClaim(attachment, volume, claim?.name ?? '');
    return { user: usable ? userFrom(attachment) : undefined, pod };
  }
}

function userFrom({ metadata }: Pod): VolumeUser {
  return { namespace: metadata.namespace ?? 'default', podUid: metadata.uid ?? '' };
}

async function deviceBytes(path: string): Promise<number> {
  const { rdev } = await stat(path);
  // As Linux packs both numbers into one: https://man7.org/linux/man-pages/man3/makedev.3.html
  const major = (rdev >>> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, 'utf8')) * 512;
}
