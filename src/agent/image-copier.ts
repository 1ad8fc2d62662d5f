import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ANNOTATION_IMAGE_COPY, CONDITION_IMAGE_COPIED, COPY_VOLUME } from '../api/image-claims.ts';
import type { CompiledImage, ImageCopy } from '../api/compiled-guest.ts';
import { listsClaim } from '../api/anchor-volumes.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { run } from '../base/process.ts';
import type { KubeClient } from '../kube/client.ts';
import { isTrue, timestamp } from '../kube/conditions.ts';
import type { Reconcile, Result } from '../kube/controller.ts';
import { pods as podResource, type Pod } from '../kube/core.ts';
import type { Informer } from '../kube/informer.ts';
import { isDeleting } from '../kube/object.ts';
import { VOLUME_FILE } from '../vm/disks/volume-file.ts';
import type { ImageStore, ImportedImage } from '../vm/port.ts';
import type { ImageFiles } from './image-files.ts';
import type { ImageReporter } from './image-reporter.ts';
import type { PublishedVolumes } from './published-volumes.ts';

export interface ImageCopierOptions {
  readonly client: KubeClient;
  /** Pods bound to this node. */
  readonly pods: Informer<Pod>;
  readonly images: ImageStore;
  readonly imageFiles: ImageFiles;
  readonly reporter: ImageReporter;
  readonly published: PublishedVolumes;
  readonly clock: Clock;
}

const LOOK_MS = 200;
/** An image of hundreds of gigabytes, at some ten megabytes a second. */
const COPY_MS = 12 * 3_600_000;

/** Fetches the images of pods that stand for copies, and writes them to the claims of these. A copy that was broken off begins anew. */
export class ImageCopier {
  readonly #options: ImageCopierOptions;

  constructor(options: ImageCopierOptions) {
    this.#options = options;
  }

  readonly reconcile: Reconcile = async (key, signal): Promise<Result | void> => {
    const pod = this.#options.pods.get(key);
    const copy = pod === undefined ? undefined : copyOf(pod);
    if (pod === undefined || copy === undefined || isDeleting(pod) || isTrue(pod.status?.conditions, CONDITION_IMAGE_COPIED)) return;
    try {
      const image = await this.#fetch(pod, copy.image, signal);
      const target = copy.claim === undefined ? undefined : await this.#target(pod, copy.claim, signal);
      if (copy.claim !== undefined && target === undefined) return { requeueAfterMs: LOOK_MS };
      if (target !== undefined) await write(image, target, signal);
      await this.#say(pod, 'True', 'Copied', 'the copy is whole', signal);
    } catch (error) {
      signal.throwIfAborted();
      await this.#say(pod, 'False', 'CopyFailed', messageOf(error), signal);
      throw error;
    }
  };

  async #fetch({ metadata: { namespace = 'default' } }: Pod, image: CompiledImage, signal: AbortSignal): Promise<ImportedImage> {
    const { images, reporter, imageFiles } = this.#options;
    await imageFiles.allow(image);
    reporter.report(namespace, image, { phase: 'Importing' }, signal);
    try {
      const imported = await images.ensure(image, { signal });
      reporter.report(namespace, image, { phase: 'Imported', virtualSizeBytes: imported.virtualSizeBytes }, signal);
      return imported;
    } catch (error) {
      if (!signal.aborted) reporter.report(namespace, image, { phase: 'Failed', message: messageOf(error) }, signal);
      throw error;
    }
  }

  async #target(pod: Pod, claim: NonNullable<ImageCopy['claim']>, signal: AbortSignal): Promise<Target | undefined> {
    const user = { namespace: pod.metadata.namespace ?? 'default', podUid: pod.metadata.uid ?? '' };
    const path = claim.mode === 'Block' ? await this.#options.published.device(user, claim.name, signal) : await this.#options.published.folder(user, claim.name, signal);
    return path === undefined ? undefined : { path, mode: claim.mode };
  }

  async #say({ metadata: { namespace = 'default', name } }: Pod, status: 'True' | 'False', reason: string, message: string, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#options;
    const condition = { type: CONDITION_IMAGE_COPIED, status, reason, message, lastTransitionTime: timestamp(clock.now()) };
    await client.patch(podResource, { namespace, name }, { status: { conditions: [condition] } }, { subresource: 'status', type: 'strategic', signal });
  }
}

interface Target {
  readonly path: string;
  readonly mode: 'Block' | 'Filesystem';
}

/** What the pod is to copy; undefined for any other pod, and for one that does not list the claim which it names. */
export function copyOf(pod: Pod): ImageCopy | undefined {
  const text = pod.metadata.annotations?.[ANNOTATION_IMAGE_COPY];
  if (text === undefined) return undefined;
  const copy = JSON.parse(text) as ImageCopy;
  return copy.claim === undefined || listsClaim(pod, COPY_VOLUME, copy.claim.name) ? copy : undefined;
}

/** By default qemu-img leaves it to the kernel when what it wrote is there; a clone would be of what is not. */
async function write({ path: source, format }: ImportedImage, { path, mode }: Target, signal: AbortSignal): Promise<void> {
  const convert = (target: string, options: readonly string[]) => run('qemu-img', ['convert', '-t', 'writeback', ...options, '-f', format === 'qcow2' ? 'qcow2' : 'raw', '-O', 'raw', source, target], { signal, timeoutMs: COPY_MS });
  if (mode === 'Block') {
    await convert(path, ['-n']);
    return;
  }
  const file = join(path, VOLUME_FILE);
  const temporary = `${file}.new`;
  try {
    await convert(temporary, []);
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}
