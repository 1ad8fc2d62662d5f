import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpenStackCloud } from '../cloud.ts';
import { FakeCloud, PROJECT_ID, recorded, type FakeAnswer } from '../fake-cloud.ts';
import { all } from '../page.ts';
import type { VolumeAction, VolumeService } from './port.ts';

const ID = '4dce7e7b-56cd-480e-968f-3fa035145be9';
const BASE = `/volumev3/v3/${PROJECT_ID}`;

async function asking<T>(call: string, answer: FakeAnswer, work: (volume: VolumeService, fake: FakeCloud) => Promise<T>, version = '3.70'): Promise<T> {
  await using fake = await FakeCloud.start();
  fake.on('GET /volumev3/', { status: 300, body: { versions: [{ id: 'v3.0', version, min_version: '3.0' }] } });
  fake.on(call, answer);
  await using cloud = await OpenStackCloud.connect(fake.settings(), { attempts: 1 });
  return await work(cloud.volume ?? assert.fail('there is no Cinder'), fake);
}

test('a volume in use is read', async () => {
  assert.deepEqual(await asking(`GET ${BASE}/volumes/${ID}`, recorded('cinder-volume-in-use'), (volumes) => volumes.volume(ID)), {
    id: ID, name: 'data1', status: 'in-use', sizeGiB: 1, type: 'nfs1', projectId: PROJECT_ID, bootable: false, encrypted: false, multiattach: false, availabilityZone: 'nova', metadata: { a: 'b' },
    attachments: [{ attachmentId: 'e8329ce3-b1c8-49d1-928e-ba647137eeac', serverId: '561facb6-0d6f-400c-a6f9-f14f1fc0b79a', device: '/dev/sdb' }],
    createdAtMs: Date.UTC(2026, 10, 21, 2, 25, 21), updatedAtMs: Date.UTC(2026, 10, 21, 2, 25, 41),
  });
});

test('a volume that is not there is undefined, and deleting it no error', async () => {
  await asking(`GET ${BASE}/volumes/${ID}`, recorded('error-cinder-404'), async (volumes, fake) => {
    assert.equal(await volumes.volume(ID), undefined);
    fake.on(`DELETE ${BASE}/volumes/${ID}`, recorded('error-cinder-404'));
    await volumes.deleteVolume(ID);
  });
});

test('volumes are made of images, snapshots and volumes', async () => {
  for (const [kind, field] of [['image', 'imageRef'], ['snapshot', 'snapshot_id'], ['volume', 'source_volid']] as const) {
    await asking(`POST ${BASE}/volumes`, recorded('cinder-volume-create'), async (volumes, fake) => {
      const made = await volumes.createVolume({ name: 'data1', sizeGiB: 1, type: 'nfs1', metadata: { a: 'b' }, source: { kind, id: 'i' } });
      assert.equal(made.status, 'creating');
      assert.deepEqual(fake.requests.at(-1)?.body, { volume: { name: 'data1', size: 1, volume_type: 'nfs1', metadata: { a: 'b' }, [field]: 'i' } });
    });
  }
});

const ACTIONS: readonly (readonly [VolumeAction, unknown])[] = [
  [{ kind: 'reserve' }, { 'os-reserve': null }],
  [{ kind: 'unreserve' }, { 'os-unreserve': null }],
  [{ kind: 'beginDetaching' }, { 'os-begin_detaching': null }],
  [{ kind: 'rollDetaching' }, { 'os-roll_detaching': null }],
  [{ kind: 'setBootable', bootable: true }, { 'os-set_bootable': { bootable: true } }],
  [{ kind: 'setReadOnly', readOnly: true }, { 'os-update_readonly_flag': { readonly: true } }],
];

for (const [action, body] of ACTIONS) {
  test(`the action ${action.kind} is sent as Cinder calls it`, async () => {
    await asking(`POST ${BASE}/volumes/${ID}/action`, { status: 202 }, async (volumes, fake) => {
      await volumes.act(ID, action);
      assert.deepEqual(fake.requests.at(-1)?.body, body);
    });
  });
}

test('a volume grows, and becomes an image', async () => {
  await asking(`POST ${BASE}/volumes/${ID}/action`, { status: 202 }, async (volumes, fake) => {
    await volumes.extend(ID, 2);
    assert.deepEqual(fake.requests.at(-1)?.body, { 'os-extend': { new_size: 2 } });
    fake.on(`POST ${BASE}/volumes/${ID}/action`, recorded('cinder-volume-upload-image'));
    assert.equal(await volumes.uploadToImage(ID, { name: 'vol-export', diskFormat: 'raw' }), '5943ff58-6026-4a28-93fb-0fd43cecfa87');
    assert.deepEqual(fake.requests.at(-1)?.body, { 'os-volume_upload_image': { image_name: 'vol-export', disk_format: 'raw', container_format: 'bare', force: false } });
  });
});

test('a snapshot of a volume in use is forced, where Cinder still has to be told so', async () => {
  for (const [version, forced] of [['3.65', { force: true }], ['3.66', {}]] as const) {
    await asking(`POST ${BASE}/snapshots`, recorded('cinder-snapshot-create'), async (volumes, fake) => {
      assert.equal((await volumes.createSnapshot(ID, 's1')).status, 'creating');
      assert.deepEqual(fake.requests.at(-1)?.body, { snapshot: { volume_id: ID, name: 's1', metadata: {}, ...forced } });
    }, version);
  }
});

test('snapshots, types, uses and quotas are read', async () => {
  assert.deepEqual((await asking(`GET ${BASE}/snapshots/detail`, recorded('cinder-snapshots-detail'), (volumes) => all(volumes.snapshots()))).map(({ name, volumeId, status }) => [name, volumeId, status]), [['s1', ID, 'available']]);
  assert.deepEqual((await asking(`GET ${BASE}/types`, recorded('cinder-types'), (volumes) => all(volumes.types()))).map(({ name }) => name), ['nfs1', '__DEFAULT__']);
  assert.deepEqual(await asking(`GET ${BASE}/attachments/detail`, recorded('cinder-attachments'), (volumes) => all(volumes.uses())), [{ id: 'e8329ce3-b1c8-49d1-928e-ba647137eeac', status: 'attached', volumeId: ID, serverId: '561facb6-0d6f-400c-a6f9-f14f1fc0b79a', mode: 'rw' }]);
  const quotas = await asking(`GET ${BASE}/os-quota-sets/${PROJECT_ID}`, recorded('cinder-quota-usage'), (volumes) => volumes.quotas());
  assert.deepEqual([quotas['gigabytes'], quotas['volumes_nfs1']], [{ limit: 1000, used: 0, reserved: 0 }, { used: 0, reserved: 0 }]);
});
