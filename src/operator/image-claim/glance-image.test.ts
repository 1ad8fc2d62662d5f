import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VirtualMachineImageSpec, VirtualMachineImageStatus } from '../../api/virtual-machine-image.ts';
import type { VirtualMachineImage } from '../../kube/yadokari.ts';
import { glanceImageOf } from './glance-image.ts';

const GIBIBYTE = 2 ** 30;
const known: NonNullable<VirtualMachineImageStatus['glance']> = { status: 'active', visibility: 'public', sizeBytes: 5 * GIBIBYTE, minimumDiskGiB: 0, minimumMemoryMiB: 0 };
const image = (format: VirtualMachineImageSpec['format'], glance: Partial<typeof known> = {}): VirtualMachineImage => ({
  apiVersion: 'yadokari.dev/v1alpha1', kind: 'VirtualMachineImage', metadata: { namespace: 'shop', name: 'debian' },
  spec: { source: { glance: { tenant: 'shop', image: 'i1' } }, format }, status: { glance: { ...known, ...glance } },
});

test('a raw image is as large as its file, and one of qcow2 as Glance says that its disk is', () => {
  assert.deepEqual(glanceImageOf(image('raw')), { tenant: 'shop', image: 'i1', format: 'raw', sizeBytes: 5 * GIBIBYTE });
  assert.deepEqual(glanceImageOf(image('iso'))?.format, 'raw');
  assert.equal(glanceImageOf(image('qcow2', { virtualSizeBytes: 20 * GIBIBYTE }))?.sizeBytes, 20 * GIBIBYTE);
  assert.equal(glanceImageOf(image('qcow2', { minimumDiskGiB: 10 }))?.sizeBytes, 10 * GIBIBYTE);
  assert.equal(glanceImageOf({ ...image('raw'), spec: { source: { http: { url: 'https://images.example/a' } }, format: 'raw' } }), undefined);
});

test('says what is missing where a disk cannot be made of it', () => {
  assert.throws(() => glanceImageOf(image('qcow2')), /does not tell how large the disk in it is: set min_disk/);
  assert.throws(() => glanceImageOf(image('raw', { status: 'queued' })), /and is queued there/);
  assert.throws(() => glanceImageOf({ ...image('raw'), status: {} }), /does not tell its size yet/);
});
