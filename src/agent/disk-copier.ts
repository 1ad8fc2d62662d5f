import { join } from 'node:path';
import { listsClaim } from '../api/anchor-volumes.ts';
import { ANNOTATION_DISK_COPY, ANNOTATION_DISK_COPY_PROGRESS, CEPH_VOLUME, CLOUD_VOLUME, CONDITION_DISK_COPIED, DISK_VOLUME, type DiskCopy, type DiskCopyProgress } from '../api/disk-copies.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf, YadoError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { KubeClient } from '../kube/client.ts';
import { isTrue, mergeConditions } from '../kube/conditions.ts';
import type { Reconcile, Result } from '../kube/controller.ts';
import { pods as podResource, type Pod } from '../kube/core.ts';
import type { Change, Informer } from '../kube/informer.ts';
import { isDeleting, keyOf, type ObjectKey } from '../kube/object.ts';
import { parseClouds, type CloudSettings } from '../openstack/clouds.ts';
import { openDiskImage } from '../openstack/disk/disk-image.ts';
import type { Cloud } from '../openstack/port.ts';
import { cephUser } from '../storage/drivers/ceph/settings.ts';
import { openCephSource, type OpenedSource } from './ceph-source.ts';
import { copyDisk, startOf, verifyCopy, type CopyOptions } from './disk-copy.ts';
import { DiskTarget, type DiskTargetOptions } from './disk-target.ts';
import type { PublishedVolumes } from './published-volumes.ts';

export interface DiskCopierOptions {
  readonly client: KubeClient;
  /** Pods bound to this node. */
  readonly pods: Informer<Pod>;
  readonly published: PublishedVolumes;
  /** Reaches the cloud that the settings are of. */
  readonly connect: (settings: CloudSettings, signal: AbortSignal) => Promise<Cloud>;
  /** For sockets, whose paths must be short. */
  readonly runDirectory: string;
  readonly observe?: CopyOptions['observe'];
  readonly clock: Clock;
  readonly log: Log;
}

const LOOK_MS = 200;
/** Longest that a copy waits for the API server to take note of it. */
const NOTE_MS = 10_000;
const CLOUDS_KEY = 'clouds.yaml';

/** What is there on this node of all that a copy needs. */
interface Place {
  readonly target: DiskTargetOptions;
  /** What the keys of the Secret hold by which the source is reached. */
  readonly secret: Readonly<Record<string, string>>;
}

/**
 * Brings disks of a cloud into the claims of pods that stand for that. How far a copy is stays on its pod, so that it goes
 * on where it was when this program ended; a pod that is deleted ends it.
 */
export class DiskCopier {
  readonly #options: DiskCopierOptions;
  readonly #running = new Map<ObjectKey, AbortController>();

  constructor(options: DiskCopierOptions) {
    this.#options = options;
  }

  readonly reconcile: Reconcile = async (key, signal): Promise<Result | void> => {
    const pod = this.#options.pods.get(key);
    const copy = pod === undefined ? undefined : diskCopyOf(pod);
    if (pod === undefined || copy === undefined || isDeleting(pod) || isTrue(pod.status?.conditions, CONDITION_DISK_COPIED)) return;
    const abandoned = new AbortController();
    this.#running.set(key, abandoned);
    try {
      return await this.#reconcile(pod, copy, AbortSignal.any([signal, abandoned.signal]));
    } catch (error) {
      if (!abandoned.signal.aborted) throw error;
    } finally {
      this.#running.delete(key);
    }
  };

  /** The kubelet cannot take a volume away from a pod that is deleted while it is written here. */
  abandon(key: ObjectKey): void {
    this.#running.get(key)?.abort(new Error('the pod is being deleted'));
  }

  async #reconcile(pod: Pod, copy: DiskCopy, signal: AbortSignal): Promise<Result | void> {
    try {
      const place = await this.#place(pod, copy, signal);
      if (place === undefined) return { requeueAfterMs: LOOK_MS };
      const isDirect = await this.#copy(pod, copy, place, signal);
      await this.#say(pod, 'True', 'Copied', isDirect ? 'the copy is whole; the disk was read anew to see that' : 'the copy is whole; it was read anew to see that, though the page cache may have answered', signal);
    } catch (error) {
      signal.throwIfAborted();
      await this.#say(pod, 'False', error instanceof YadoError ? error.code : 'CopyFailed', messageOf(error), signal);
      throw error;
    }
  }

  async #place(pod: Pod, { claim, sizeBytes, ceph }: DiskCopy, signal: AbortSignal): Promise<Place | undefined> {
    const { published } = this.#options;
    const user = { namespace: pod.metadata.namespace ?? 'default', podUid: pod.metadata.uid ?? '' };
    const path = claim.mode === 'Block' ? await published.device(user, claim.name, signal) : await published.folder(user, claim.name, signal);
    if (path === undefined) return undefined;
    const [volume, keys] = ceph === undefined ? [CLOUD_VOLUME, [CLOUDS_KEY]] : [CEPH_VOLUME, ['user', 'key']];
    const secret: Record<string, string> = {};
    for (const key of keys) {
      const text = await published.secret(user, volume, key);
      if (text === undefined) return undefined;
      secret[key] = text;
    }
    return { target: { path, mode: claim.mode, sizeBytes }, secret };
  }

  /** Whether the verification was of what the disk itself has. */
  async #copy(pod: Pod, copy: DiskCopy, place: Place, signal: AbortSignal): Promise<boolean> {
    const { clock, observe, log } = this.#options;
    await using target = await DiskTarget.open(place.target);
    const checkpoint = (progress: DiskCopyProgress): Promise<void> => this.#note(pod, progress, signal);
    const options: CopyOptions = { target, checkpoint, clock, signal, ...(observe === undefined ? {} : { observe }) };
    const start = startOf(copy.image, copy.sizeBytes, progressOf(pod), copy.from);
    const { writtenBytes } = await verifyCopy(...await this.#copyFrom(start, pod, copy, place, options));
    log.info({ pod: keyOf(pod), image: copy.image, writtenBytes, sizeBytes: copy.sizeBytes }, 'a disk was copied');
    return target.isDirect;
  }

  /** What is to be verified, and how. */
  async #copyFrom(start: DiskCopyProgress, pod: Pod, copy: DiskCopy, place: Place, options: CopyOptions): Promise<readonly [copied: DiskCopyProgress, options: CopyOptions]> {
    // What only is verified need not be reached any more, unless it says what has changed.
    if (start.phase === 'Verifying' && copy.ceph?.since === undefined) return [start, options];
    await using source = await this.#open(pod, copy, place, options.signal);
    const some = source.changed === undefined ? options : { ...options, changed: source.changed };
    return [start.phase === 'Verifying' ? start : await copyDisk(source.disk, start, some), some];
  }

  async #open({ metadata: { uid = '' } }: Pod, { cloud, image, format, ceph }: DiskCopy, { secret }: Place, signal: AbortSignal): Promise<OpenedSource> {
    const { connect, runDirectory, clock, log } = this.#options;
    const folder = join(runDirectory, `copy-${uid}`);
    if (ceph !== undefined) return openCephSource(ceph, { user: cephUser(secret), folder, clock, signal, log });
    await using resources = new AsyncDisposableStack();
    const settings = parseClouds(secret[CLOUDS_KEY] ?? '', { files: false, ...(cloud === undefined ? {} : { name: cloud }) });
    const connection = resources.use(await connect(settings, signal));
    const disk = resources.use(await openDiskImage(connection.image, { image, format, folder, clock, signal }));
    const owned = resources.move();
    return { disk, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  }

  /** A copy goes on without it: one that has to begin earlier finds the same there. */
  async #note({ metadata: { namespace = 'default', name } }: Pod, progress: DiskCopyProgress, signal: AbortSignal): Promise<void> {
    const { client, log } = this.#options;
    const annotations = { [ANNOTATION_DISK_COPY_PROGRESS]: JSON.stringify(progress) };
    await client.patch(podResource, { namespace, name }, { metadata: { annotations } }, { signal: AbortSignal.any([signal, AbortSignal.timeout(NOTE_MS)]) }).catch((error: unknown) => {
      signal.throwIfAborted();
      log.debug({ pod: `${namespace}/${name}`, error: messageOf(error) }, 'how far a copy is was not noted');
    });
  }

  async #say({ metadata: { namespace = 'default', name }, status: known }: Pod, status: 'True' | 'False', reason: string, message: string, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#options;
    const conditions = mergeConditions(known?.conditions, [{ type: CONDITION_DISK_COPIED, status, reason, message }], clock.now());
    await client.patch(podResource, { namespace, name }, { status: { conditions } }, { subresource: 'status', type: 'strategic', signal });
  }
}

/** What the pod is to copy; undefined for any other pod, and for one that does not list the claim which it names. */
export function diskCopyOf(pod: Pod): DiskCopy | undefined {
  const text = pod.metadata.annotations?.[ANNOTATION_DISK_COPY];
  if (text === undefined) return undefined;
  const copy = JSON.parse(text) as DiskCopy;
  return listsClaim(pod, DISK_VOLUME, copy.claim.name) ? copy : undefined;
}

/** Whether more changed than what is written here: a failure would be followed at once by the next. */
export function isMoreThanProgress({ type, object, old }: Change<Pod>): boolean {
  return type !== 'modified' || old === undefined || old.metadata.uid !== object.metadata.uid || isDeleting(old) !== isDeleting(object);
}

function progressOf({ metadata: { annotations } }: Pod): DiskCopyProgress | undefined {
  const text = annotations?.[ANNOTATION_DISK_COPY_PROGRESS];
  return text === undefined ? undefined : JSON.parse(text) as DiskCopyProgress;
}
