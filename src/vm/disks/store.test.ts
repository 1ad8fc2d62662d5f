import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../base/process.ts';
import { FolderDiskStore } from './store.ts';

const root = await mkdtemp(join(tmpdir(), 'yado-disks-'));
after(() => rm(root, { recursive: true, force: true }));
const store = new FolderDiskStore(join(root, 'guests'));
const seed = { instanceId: 'i', hostname: 'web', userData: '#!/bin/sh\necho hi\n', sshKeys: ['ssh-ed25519 A "quoted"'] };

test('an overlay is as large as asked for, never smaller than its image, and made once', async () => {
  const path = join(root, 'base.qcow2');
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', path, '1M']);
  const image = { path, format: 'qcow2', virtualSizeBytes: 1 << 20 } as const;
  const disk = await store.ensureOverlay('default.web', 'root', image, 4 << 20);
  const { mtimeMs } = await stat(disk.path);
  assert.deepEqual(await store.ensureOverlay('default.web', 'root', image, 8 << 20), disk);
  assert.equal((await stat(disk.path)).mtimeMs, mtimeMs);
  assert.equal((JSON.parse(await run('qemu-img', ['info', '--output=json', disk.path])) as { 'virtual-size': number })['virtual-size'], 4 << 20);
  await assert.rejects(store.ensureOverlay('default.web', 'small', image, 1000), { code: 'ImageInvalid' });
});

test('a seed is written anew only when its content changed', async () => {
  const first = await store.ensureSeed('default.web', seed);
  const { ino } = await stat(first.path);
  await store.ensureSeed('default.web', seed);
  assert.equal((await stat(first.path)).ino, ino);
  await store.ensureSeed('default.web', { ...seed, hostname: 'other' });
  assert.notEqual((await stat(first.path)).ino, ino);
});

test('a config drive is labelled config-2, with the files of Nova in their folders', async () => {
  const { path } = await store.ensureSeed('default.drive', { ...seed, layout: 'configDrive' });
  assert.match(await run('blkid', ['-o', 'export', '-p', path]), /^LABEL=config-2$/m);
  const names = (await run('isoinfo', ['-f', '-R', '-i', path])).split('\n');
  for (const name of ['/openstack/latest/meta_data.json', '/openstack/latest/user_data', '/ec2/latest/meta-data.json']) assert.ok(names.includes(name), name);
  await store.ensureSeed('default.drive', seed);
  assert.match(await run('blkid', ['-o', 'export', '-p', path]), /^LABEL=cidata$/m);
});

test('what the metadata service tells is kept for one guest, and replaced as a whole', async () => {
  assert.equal(await store.metadata('default.served'), undefined);
  await store.keepMetadata('default.served', seed);
  assert.equal((await store.metadata('default.served'))?.get('openstack/latest/user_data'), seed.userData);
  await store.keepMetadata('default.served', { ...seed, userData: '' });
  assert.equal((await store.metadata('default.served'))?.has('openstack/latest/user_data'), false);
  assert.equal((await stat(join(root, 'guests/default.served/metadata.json'))).mode & 0o777, 0o600);
  await store.remove('default.served');
});

test('a guest’s folder goes with all of its disks, as often as one asks', async () => {
  await store.ensureBlank('default.gone', 'data', 1 << 20);
  assert.deepEqual([...(await store.guests())].sort(), ['default.drive', 'default.gone', 'default.web']);
  await store.remove('default.gone');
  await store.remove('default.gone');
  assert.deepEqual([...(await store.guests())].sort(), ['default.drive', 'default.web']);
});

test('a name that leads elsewhere is refused', async () => {
  await assert.rejects(store.ensureBlank('../etc', 'data', 1), { code: 'InvalidName' });
  await assert.rejects(store.remove('..'), { code: 'InvalidName' });
});
