import { lstat, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, YadoError } from '../base/errors.ts';
import { isNotFound } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { persistentVolumeClaims } from '../kube/core.ts';

export interface PublishedVolumesOptions {
  readonly client: KubeClient;
  /** The kubelet's own folder, which this program sees as the kubelet does. */
  readonly kubeletDirectory: string;
}

/** Whose claim it is: the kubelet publishes volumes for each pod. */
export interface VolumeUser {
  readonly namespace: string;
  readonly podUid: string;
}

/** A volume is not on this node yet: a matter of a moment, or of whatever the pod's events say. */
export class VolumePendingError extends YadoError {
  declare readonly code: 'VolumePending';
  constructor(claim: string, pod: string) {
    super('VolumePending', `waiting for the volume of claim ${claim}; kubectl describe pod ${pod} tells what the kubelet says of it`, { disposition: 'wait' });
  }
}

/**
 * Where the kubelet has put volumes of pods: below `pods/<uid>`, in `volumes/<plugin>/<volume>` what is files and in
 * `volumeDevices/<plugin>/<volume>` what is a device. CSI's files are one folder deeper, in `mount`.
 */
export class PublishedVolumes {
  readonly #options: PublishedVolumesOptions;

  constructor(options: PublishedVolumesOptions) {
    this.#options = options;
  }

  /** Path of the block device; undefined while it is not there. */
  async device(user: VolumeUser, claim: string, signal: AbortSignal): Promise<string | undefined> {
    for (const path of await this.#candidates(user, 'volumeDevices', claim, signal)) {
      if ((await stat(path).catch(absent))?.isBlockDevice() === true) return path;
    }
    return undefined;
  }

  /** What the key of a Secret holds that is the volume of this name; undefined while it is not there. */
  async secret({ podUid }: VolumeUser, volume: string, key: string): Promise<string | undefined> {
    const path = join(this.#options.kubeletDirectory, 'pods', podUid, 'volumes', 'kubernetes.io~secret', volume, key);
    return readFile(path, 'utf8').catch(absent);
  }

  /** Path of the folder; undefined while nothing is mounted there. */
  async folder(user: VolumeUser, claim: string, signal: AbortSignal): Promise<string | undefined> {
    const candidates = await this.#candidates(user, 'volumes', claim, signal);
    if (candidates.length === 0) return undefined;
    const mounted = new Set((await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' ')[4]));
    for (const path of candidates) {
      // Volumes that are folders of the node itself are links or bare folders of no plugin that mounts.
      for (const place of [join(path, 'mount'), path]) if (mounted.has(place)) return place;
    }
    return undefined;
  }

  async #candidates({ namespace, podUid }: VolumeUser, kind: string, claim: string, signal: AbortSignal): Promise<readonly string[]> {
    const folder = join(this.#options.kubeletDirectory, 'pods', podUid, kind);
    const plugins = await readdir(folder).catch((error: unknown) => absent(error) ?? []);
    if (plugins.length === 0) return [];
    const volume = await this.#volumeOf(namespace, claim, signal);
    if (volume === undefined) return [];
    const paths = plugins.map((plugin) => join(folder, plugin, volume));
    const found = await Promise.all(paths.map((path) => lstat(path).catch(absent)));
    return paths.filter((_, index) => found[index] !== undefined);
  }

  /** Name of the PersistentVolume that the claim has. */
  async #volumeOf(namespace: string, name: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      return (await this.#options.client.get(persistentVolumeClaims, { namespace, name }, signal)).spec.volumeName;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}

function absent(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error;
  return undefined;
}
