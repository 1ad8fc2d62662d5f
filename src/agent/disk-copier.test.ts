import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, describe, it } from 'node:test';
import { ANNOTATION_DISK_COPY, ANNOTATION_DISK_COPY_PROGRESS, CLOUD_VOLUME, CONDITION_DISK_COPIED, DISK_VOLUME, type DiskCopy, type DiskCopyProgress } from '../api/disk-copies.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import type { KubeClient } from '../kube/client.ts';
import { conditionOf } from '../kube/conditions.ts';
import type { Pod } from '../kube/core.ts';
import type { Informer } from '../kube/informer.ts';
import { SimulatedCloud } from '../openstack/drivers/simulated/cloud.ts';
import { hasCode } from '../openstack/errors.ts';
import { VOLUME_FILE } from '../vm/disks/volume-file.ts';
import { DiskCopier, diskCopyOf, isMoreThanProgress } from './disk-copier.ts';
import { SEGMENT_BYTES } from './disk-segments.ts';
import type { PublishedVolumes } from './published-volumes.ts';

const SIZE = 2 * SEGMENT_BYTES + 512;
const content = randomBytes(SIZE);
const KEY = 'ns/copy';
const FILE = 'GET /images/id/file';
const CLOUDS = 'clouds: {one: {auth: {auth_url: "http://cloud.example", username: u, password: p, project_name: p, user_domain_name: d}}}';
const { signal } = new AbortController();
const root = await mkdtemp(join(tmpdir(), 'yado-copier-'));
after(() => rm(root, { recursive: true, force: true }));

const podOf = (copy: DiskCopy, claim = 'web-root'): Pod => ({
  apiVersion: 'v1', kind: 'Pod',
  metadata: { name: 'copy', namespace: 'ns', uid: 'u1', annotations: { [ANNOTATION_DISK_COPY]: JSON.stringify(copy) } },
  spec: { containers: [], volumes: [{ name: DISK_VOLUME, persistentVolumeClaim: { claimName: claim } }, { name: CLOUD_VOLUME, secret: { secretName: 'cloud' } }] },
});

/** A pod on a node that has published its volumes, and a cloud with an image. */
async function given({ before = async () => {} }: { readonly before?: (call: string) => Promise<void> } = {}) {
  const folder = await mkdtemp(join(root, 'claim-'));
  const cloud = new SimulatedCloud({ before: async (_service, call) => before(call) });
  const { id } = await cloud.image.createImage({ name: 'disk', diskFormat: 'raw' });
  await cloud.image.upload(id, Readable.from([content]));
  const copy: DiskCopy = { image: id, format: 'raw', sizeBytes: SIZE, claim: { name: 'web-root', mode: 'Filesystem' } };
  const state = { pod: podOf(copy) as Pod | undefined, volume: folder as string | undefined, clouds: CLOUDS as string | undefined, patches: 0, counted: 0 };
  const client = {
    patch: async (_resource: unknown, _ref: unknown, { metadata, status }: Partial<Pod>) => {
      const { pod } = state;
      if (pod === undefined) throw new Error('there is no pod');
      state.patches += 1;
      state.pod = { ...pod, metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, ...metadata?.annotations } }, ...(status === undefined ? {} : { status }) };
    },
  } as unknown as KubeClient;
  const published = { folder: async () => state.volume, device: async () => undefined, secret: async () => state.clouds } as unknown as PublishedVolumes;
  const copier = new DiskCopier({
    client, published, clock: systemClock, log: silentLog, runDirectory: root,
    pods: { get: () => state.pod } as unknown as Informer<Pod>,
    connect: async () => cloud,
    observe: (what, bytes) => void (what === 'written' && (state.counted += bytes)),
  });
  return {
    state, copy, copier,
    copied: () => readFile(join(folder, VOLUME_FILE)),
    file: join(folder, VOLUME_FILE),
    condition: () => conditionOf(state.pod?.status?.conditions, CONDITION_DISK_COPIED),
    progress: () => JSON.parse(state.pod?.metadata.annotations?.[ANNOTATION_DISK_COPY_PROGRESS] ?? 'null') as DiskCopyProgress | null,
  };
}

describe('a pod that stands for the copy of a disk', () => {
  it('has it in its claim, says so, and is left alone afterwards', async () => {
    const { state, copier, copied, condition, progress, copy } = await given();
    assert.equal(await copier.reconcile(KEY, signal), undefined);
    assert.ok((await copied()).equals(content));
    assert.deepEqual([condition()?.status, condition()?.reason, state.counted], ['True', 'Copied', SIZE]);
    const { digest, ...rest } = progress() ?? assert.fail('nothing was noted');
    assert.deepEqual(rest, { image: copy.image, phase: 'Verifying', offsetBytes: SIZE, writtenBytes: SIZE });
    assert.match(digest, /^[0-9a-f]{64}$/);
    const { patches } = state;
    await copier.reconcile(KEY, signal);
    assert.equal(state.patches, patches);
  });

  it('waits for its claim and for its Secret', async () => {
    const { state, copier, condition } = await given();
    for (const what of ['volume', 'clouds'] as const) {
      const was = state[what];
      state[what] = undefined;
      assert.deepEqual(await copier.reconcile(KEY, signal), { requeueAfterMs: 200 });
      state[what] = was;
    }
    assert.equal(condition(), undefined);
  });

  it('goes on where it was, or where the pod before it was', async () => {
    const sha256 = (...parts: readonly Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
    const halfway = (image: string): DiskCopyProgress => ({ image, phase: 'Copying', offsetBytes: SEGMENT_BYTES, writtenBytes: 7, digest: sha256(Buffer.alloc(32), sha256(content.subarray(0, SEGMENT_BYTES))).toString('hex') });
    for (const where of ['own', 'before'] as const) {
      const { state, copier, copy, copied, file, progress } = await given();
      const pod = podOf(where === 'before' ? { ...copy, from: halfway(copy.image) } : copy);
      const noted = where === 'own' ? { [ANNOTATION_DISK_COPY_PROGRESS]: JSON.stringify(halfway(copy.image)) } : {};
      state.pod = { ...pod, metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, ...noted } } };
      await writeFile(file, content.subarray(0, SEGMENT_BYTES));
      await copier.reconcile(KEY, signal);
      assert.ok((await copied()).equals(content));
      assert.deepEqual([progress()?.writtenBytes, state.counted], [SIZE - SEGMENT_BYTES + 7, SIZE - SEGMENT_BYTES]);
    }
  });

  it('that was told of what is not there says so, and has all of it after the next try', async () => {
    const { state, copier, copy, copied, condition } = await given();
    state.pod = podOf({ ...copy, from: { image: copy.image, phase: 'Verifying', offsetBytes: SIZE, writtenBytes: SIZE, digest: 'ab'.repeat(32) } });
    await assert.rejects(copier.reconcile(KEY, signal), { code: 'CopyMismatch' });
    assert.deepEqual([condition()?.status, condition()?.reason], ['False', 'CopyMismatch']);
    await copier.reconcile(KEY, signal);
    assert.equal(condition()?.status, 'True');
    assert.ok((await copied()).equals(content));
  });

  it('says what is wrong with the cloud', async () => {
    const { state, copier, copy, condition } = await given();
    state.pod = podOf({ ...copy, image: 'none' });
    await assert.rejects(copier.reconcile(KEY, signal), (error: unknown) => hasCode(error, 'NotFound'));
    assert.deepEqual([condition()?.status, condition()?.reason], ['False', 'NotFound']);
    assert.match(condition()?.message ?? '', /no image none/);
    state.pod = podOf({ ...copy, cloud: 'two' });
    await assert.rejects(copier.reconcile(KEY, signal), { code: 'InvalidCloudSettings' });
  });

  it('lets go of the claim at once when it is deleted, and says nothing more', async () => {
    const asked = Promise.withResolvers<void>();
    const { copier, condition } = await given({
      before: async (call) => {
        if (call !== FILE) return;
        asked.resolve();
        await new Promise((resolve) => setTimeout(resolve, 100));
      },
    });
    const work = copier.reconcile(KEY, signal);
    await asked.promise;
    copier.abandon(KEY);
    assert.equal(await work, undefined);
    assert.equal(condition(), undefined);
  });

  it('copies on while the API server takes no note of it', async () => {
    const { copier, state, copied } = await given({ before: async (call) => void (call === FILE && (state.pod = undefined)) });
    await assert.rejects(copier.reconcile(KEY, signal), /there is no pod/);
    assert.ok((await copied()).equals(content));
  });
});

describe('pods that copy disks', () => {
  const copy: DiskCopy = { image: 'i', format: 'raw', sizeBytes: 1, claim: { name: 'web-root', mode: 'Block' } };

  it('list the claim that they name', () => {
    assert.deepEqual(diskCopyOf(podOf(copy)), copy);
    assert.equal(diskCopyOf(podOf(copy, 'other')), undefined);
    assert.equal(diskCopyOf({ ...podOf(copy), metadata: { name: 'copy' } }), undefined);
  });

  it('are looked at when they come and go, and not when it is noted how far they are', () => {
    const old = podOf(copy);
    const noted = { ...old, metadata: { ...old.metadata, annotations: { x: 'y' } } };
    const going = { ...old, metadata: { ...old.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
    const changes = [{ type: 'added', object: old }, { type: 'modified', object: noted, old }, { type: 'modified', object: going, old }, { type: 'modified', object: { ...old, metadata: { ...old.metadata, uid: 'u2' } }, old }] as const;
    assert.deepEqual(changes.map(isMoreThanProgress), [true, false, true, true]);
  });
});
