import { isDeepStrictEqual } from 'node:util';
import { ANNOTATION_DISK_COPY, ANNOTATION_DISK_COPY_PROGRESS, CONDITION_DISK_COPIED, type DiskCopy, type DiskCopyProgress } from '../../api/disk-copies.ts';
import { API_VERSION } from '../../api/group.ts';
import { LABEL_MIGRATION } from '../../api/open-stack-names.ts';
import type { DiskMigration, ServerMigration } from '../../api/open-stack-migration.ts';
import { isAlreadyExists, missing } from '../../kube/api-error.ts';
import { conditionOf, isTrue } from '../../kube/conditions.ts';
import { persistentVolumeClaims, pods, type PersistentVolumeClaim, type Pod } from '../../kube/core.ts';
import { isDeleting, keyFor } from '../../kube/object.ts';
import { claimSize } from '../claim-size.ts';
import { diskCopyPod } from '../disk-copy-pod.ts';
import { digestOf } from '../open-stack-tenant/names.ts';
import { CEPH_STEPS, cephContent, cephSource, isReadThere } from './ceph-source.ts';
import { EXPORT_STEPS, tidyExport, type DiskStepped } from './disk-export.ts';
import { MigrationError, type StepContext } from './step.ts';

/** Brings a disk one step on, to the end of its pass: out of the cloud as an image, or where its volume is; then into its claim. */
export async function moveDisk(server: ServerMigration, disk: DiskMigration, context: StepContext, signal: AbortSignal): Promise<DiskStepped> {
  const step = (isReadThere(server, disk) ? CEPH_STEPS : EXPORT_STEPS)[disk.step];
  const stepped = step === undefined ? await copy(server, disk, context, signal) : await step(server, disk, context, signal);
  return { ...stepped, disk: await tidyExport(stepped.disk, context, signal) };
}

async function copy(server: ServerMigration, disk: DiskMigration, context: StepContext, signal: AbortSignal): Promise<DiskStepped> {
  if (disk.step === 'Copied') {
    await removeCopy(disk, context, signal);
    return { disk };
  }
  await ensureClaim(disk, context, signal);
  const pod = copyOf(disk, context);
  const claim = context.claims.get(keyFor(context.migration.metadata.namespace, disk.claim));
  const source = sourceOf(server, disk, claim, context);
  // One of an earlier pass, or one that its node has ended, is not this one.
  if (pod !== undefined && (isDeleting(pod) || isOver(pod) || !isOf(pod, source))) {
    await removeCopy(disk, context, signal);
    return { disk, message: 'the pod of an earlier copy is going' };
  }
  if (pod === undefined) {
    await makeCopy(disk, source, context, signal);
    return { disk, message: 'a pod for the copy is made' };
  }
  const progress = progressOf(pod);
  const shown: DiskMigration = progress !== undefined && progress.image === source.image ? { ...disk, copiedBytes: progress.offsetBytes, writtenBytes: progress.writtenBytes } : disk;
  if (isTrue(pod.status?.conditions, CONDITION_DISK_COPIED) && progress !== undefined) return { disk: { ...shown, step: 'Copied', digest: progress.digest, ...(claim?.metadata.uid === undefined ? {} : { claimUID: claim.metadata.uid }) } };
  return { disk: shown, message: sayOf(pod, progress) };
}

async function ensureClaim({ claim, sizeBytes, storageClassName }: DiskMigration, { client, claims, migration }: StepContext, signal: AbortSignal): Promise<void> {
  const { namespace = 'default', name } = migration.metadata;
  const known = claims.get(keyFor(namespace, claim));
  if (known !== undefined && known.metadata.labels?.[LABEL_MIGRATION] !== name) throw new MigrationError('NameTaken', `there is a PersistentVolumeClaim ${claim} already, which is not of this migration`);
  if (known !== undefined) return;
  const mode = modeOf(migration);
  const wanted: PersistentVolumeClaim = {
    apiVersion: 'v1', kind: 'PersistentVolumeClaim',
    metadata: { name: claim, namespace, labels: { [LABEL_MIGRATION]: name } },
    spec: { accessModes: ['ReadWriteOnce'], volumeMode: mode, ...(storageClassName === undefined ? {} : { storageClassName }), resources: { requests: { storage: claimSize(sizeBytes, mode) } } },
  };
  await client.create(persistentVolumeClaims, wanted, { signal }).catch(unlessThere);
}

type CopySource = Pick<DiskCopy, 'image' | 'ceph'>;

function sourceOf(server: ServerMigration, disk: DiskMigration, claim: PersistentVolumeClaim | undefined, { migration: { spec } }: StepContext): CopySource {
  if (!isReadThere(server, disk)) return { image: disk.image ?? '' };
  const ceph = cephSource(spec, server, disk, claim);
  return { image: cephContent(ceph), ceph };
}

function isOf({ metadata: { annotations } }: Pod, { image, ceph }: CopySource): boolean {
  const known = JSON.parse(annotations?.[ANNOTATION_DISK_COPY] ?? '{}') as Partial<DiskCopy>;
  return known.image === image && isDeepStrictEqual(known.ceph, ceph);
}

async function makeCopy(disk: DiskMigration, source: CopySource, { client, cloud, migration, tenant, pauseImage }: StepContext, signal: AbortSignal): Promise<void> {
  const image = source.ceph === undefined ? await cloud.image.image(source.image, signal) : undefined;
  const { secret, name: cloudName } = tenant.spec.cloud;
  const wanted: DiskCopy = {
    ...source, format: image?.diskFormat === 'qcow2' ? 'qcow2' : 'raw', sizeBytes: disk.sizeBytes, claim: { name: disk.claim, mode: modeOf(migration) },
    ...(cloudName === undefined ? {} : { cloud: cloudName }),
  };
  const { name, namespace = 'default', uid = '' } = migration.metadata;
  const owner = { apiVersion: API_VERSION, kind: 'OpenStackMigration', name, uid, controller: true, blockOwnerDeletion: false };
  await client.create(pods, diskCopyPod({ name: copyName(disk), namespace, labels: { [LABEL_MIGRATION]: name }, owner, copy: wanted, secret: source.ceph === undefined ? secret : migration.spec.ceph?.secret ?? '', pauseImage }), { signal }).catch(unlessThere);
}

/** Ends the pods that copy a server's disks, and so lets go of the claims, which a machine can then have on any node. Whether they are gone. */
export async function removeCopies({ disks = [] }: ServerMigration, context: StepContext, signal: AbortSignal): Promise<boolean> {
  const gone = await Promise.all(disks.map((disk) => removeCopy(disk, context, signal)));
  return gone.every(Boolean);
}

async function removeCopy(disk: DiskMigration, context: StepContext, signal: AbortSignal): Promise<boolean> {
  const pod = copyOf(disk, context);
  if (pod === undefined) return true;
  if (!isDeleting(pod)) await context.client.delete(pods, { name: pod.metadata.name, namespace: pod.metadata.namespace ?? 'default' }, { signal }).catch(missing);
  return false;
}

export async function removeClaim({ claim }: DiskMigration, { client, claims, migration }: StepContext, signal: AbortSignal): Promise<boolean> {
  const { namespace = 'default', name } = migration.metadata;
  const known = claims.get(keyFor(namespace, claim));
  if (known === undefined || known.metadata.labels?.[LABEL_MIGRATION] !== name) return true;
  if (!isDeleting(known)) await client.delete(persistentVolumeClaims, { name: claim, namespace }, { signal }).catch(missing);
  return false;
}

function copyOf(disk: DiskMigration, { copies, migration }: StepContext): Pod | undefined {
  return copies.get(keyFor(migration.metadata.namespace, copyName(disk)));
}

/** A pod's name must do as a host name. */
function copyName({ claim }: DiskMigration): string {
  return `${claim.slice(0, 40).replace(/[-.]+$/, '')}-${digestOf(claim, 8)}`;
}

export function modeOf({ spec }: StepContext['migration']): 'Block' | 'Filesystem' {
  return spec.volumeMode ?? 'Filesystem';
}

function isOver({ status }: Pod): boolean {
  return status?.phase === 'Failed' || status?.phase === 'Succeeded';
}

function progressOf({ metadata }: Pod): DiskCopyProgress | undefined {
  const text = metadata.annotations?.[ANNOTATION_DISK_COPY_PROGRESS];
  return text === undefined ? undefined : JSON.parse(text) as DiskCopyProgress;
}

function sayOf(pod: Pod, progress: DiskCopyProgress | undefined): string {
  const copied = conditionOf(pod.status?.conditions, CONDITION_DISK_COPIED);
  if (copied?.status === 'False') return `pod ${pod.metadata.name}: ${copied.message ?? copied.reason ?? ''}`;
  if (progress !== undefined) return progress.phase === 'Verifying' ? 'what was copied is verified' : 'the disk is copied';
  return conditionOf(pod.status?.conditions, 'PodScheduled')?.status === 'False' ? `pod ${pod.metadata.name}: ${conditionOf(pod.status?.conditions, 'PodScheduled')?.message ?? 'it has no node yet'}` : `pod ${pod.metadata.name} is on its way`;
}

function unlessThere(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}
