import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { ManualClock } from '../../../base/clock.ts';
import { hasCode, type OpenStackErrorCode } from '../../errors.ts';
import { all } from '../../page.ts';
import { SimulatedCloud, type SimulatedCloudOptions } from './cloud.ts';

function started(options: SimulatedCloudOptions = {}): { readonly cloud: SimulatedCloud; readonly clock: ManualClock } {
  const clock = new ManualClock(Date.UTC(2027, 0, 1));
  return { cloud: new SimulatedCloud({ clock, ...options }), clock };
}

const is = (code: OpenStackErrorCode) => (error: unknown): boolean => hasCode(error, code);

test('a server is built, and runs', async () => {
  const { cloud, clock } = started();
  const { id } = await cloud.compute.createServer({ name: 'web', flavorId: 'm1.tiny', networks: 'auto' });
  assert.equal((await cloud.compute.server(id))?.status, 'BUILD');
  await clock.advance(1000);
  const server = await cloud.compute.server(id);
  assert.deepEqual([server?.status, server?.power, server?.task, server?.addresses.length], ['ACTIVE', 'running', undefined, 1]);
});

test('a server takes the actions that its state allows, one after the other', async () => {
  const { cloud, clock } = started();
  const { id } = cloud.compute.add({ name: 'web', flavorId: 'm1.tiny', networks: 'none' });
  await assert.rejects(cloud.compute.act(id, { kind: 'start' }), is('Conflict'));
  await cloud.compute.act(id, { kind: 'stop' });
  assert.equal((await cloud.compute.server(id))?.task, 'powering-off');
  await assert.rejects(cloud.compute.act(id, { kind: 'stop' }), is('Conflict'));
  await clock.advance(500);
  assert.equal((await cloud.compute.server(id))?.status, 'SHUTOFF');
  await cloud.compute.act(id, { kind: 'resize', flavorId: 'm1.large' });
  await clock.advance(500);
  const resized = await cloud.compute.server(id);
  assert.equal(resized?.status, 'VERIFY_RESIZE');
  assert.equal(resized?.flavor.kind === 'copy' && resized.flavor.vcpus, 4);
});

test('a locked server is left alone', async () => {
  const { cloud } = started();
  const { id } = cloud.compute.add({ name: 'web', flavorId: 'm1.tiny', networks: 'none' });
  await cloud.compute.act(id, { kind: 'lock', reason: 'migration' });
  await assert.rejects(cloud.compute.act(id, { kind: 'stop' }), is('Conflict'));
  await cloud.compute.act(id, { kind: 'unlock' });
  await cloud.compute.act(id, { kind: 'stop' });
});

test('a server that is deleted while it is built leaves a tombstone, and nothing comes after it', async () => {
  const { cloud, clock } = started();
  const port = await cloud.network.createPort({ networkId: cloud.network.lan.id, name: 'kept' });
  const { id } = await cloud.compute.createServer({ name: 'web', flavorId: 'm1.tiny', networks: [{ kind: 'port', portId: port.id }, { kind: 'network', networkId: cloud.network.lan.id }] });
  assert.equal((await all(cloud.network.ports({ deviceId: id }))).length, 2);
  await cloud.compute.deleteServer(id);
  await cloud.compute.deleteServer(id);
  await clock.advance(5000);
  assert.equal(await cloud.compute.server(id), undefined);
  assert.deepEqual(await all(cloud.compute.serverChanges(clock.now() - 5000)), [{ kind: 'gone', id }]);
  assert.deepEqual(await all(cloud.compute.serverChanges(clock.now())), []);
  const left = await all(cloud.network.ports());
  assert.deepEqual(left.map(({ name, deviceId, status }) => [name, deviceId, status]), [['kept', undefined, 'DOWN']]);
});

test('a volume is attached to one server, and free when that is gone', async () => {
  const { cloud, clock } = started();
  const volumes = cloud.volume ?? assert.fail();
  const { id: serverId } = cloud.compute.add({ name: 'web', flavorId: 'm1.tiny', networks: 'none' });
  const { id: volumeId } = await volumes.createVolume({ name: 'data', sizeGiB: 1 });
  await assert.rejects(cloud.compute.attachVolume(serverId, { volumeId }), is('InvalidRequest'));
  await clock.advance(500);
  await cloud.compute.attachVolume(serverId, { volumeId });
  await assert.rejects(cloud.compute.attachVolume(serverId, { volumeId }), is('InvalidRequest'));
  await assert.rejects(volumes.deleteVolume(volumeId), is('InvalidRequest'));
  assert.deepEqual((await all(volumes.uses())).map((use) => use.serverId), [serverId]);
  await cloud.compute.deleteServer(serverId);
  assert.equal((await volumes.volume(volumeId))?.status, 'available');
  await volumes.deleteVolume(volumeId);
  await clock.advance(500);
  assert.equal(await volumes.volume(volumeId), undefined);
});

test('a volume grows, and has snapshots that keep it', async () => {
  const { cloud, clock } = started();
  const volumes = cloud.volume ?? assert.fail();
  const { id } = await volumes.createVolume({ name: 'data', sizeGiB: 1 });
  await clock.advance(500);
  const snapshot = await volumes.createSnapshot(id, 's1');
  await assert.rejects(volumes.deleteVolume(id), is('InvalidRequest'));
  await volumes.deleteSnapshot(snapshot.id);
  await volumes.extend(id, 5);
  await clock.advance(500);
  assert.equal((await volumes.volume(id))?.sizeGiB, 5);
  await volumes.act(id, { kind: 'reserve' });
  await assert.rejects(volumes.act(id, { kind: 'reserve' }), is('InvalidRequest'));
});

test('a port is changed only as it was read', async () => {
  const { cloud } = started();
  const port = await cloud.network.createPort({ networkId: cloud.network.lan.id });
  const changed = await cloud.network.updatePort(port.id, { description: 'mine' }, port.revision);
  assert.equal(changed.description, 'mine');
  await assert.rejects(cloud.network.updatePort(port.id, { description: 'yours' }, port.revision), is('RevisionConflict'));
});

test('data of images come as they were uploaded, in part too', async () => {
  const { cloud } = started();
  const { id } = await cloud.image.createImage({ name: 'disk', diskFormat: 'raw' });
  await assert.rejects(cloud.image.download(id), is('Conflict'));
  await cloud.image.upload(id, Readable.from([Buffer.from('0123456789')]));
  const { stream, totalBytes } = await cloud.image.download(id, { offset: 3, lengthBytes: 4 });
  assert.equal((await buffer(stream)).toString(), '3456');
  assert.equal(totalBytes, 10);
  await assert.rejects(cloud.image.upload(id, Readable.from(['x'])), is('Conflict'));
});

test('lists come in pages, each of which is a call', async () => {
  const { cloud } = started({ pageSize: 4 });
  cloud.populate(10);
  const before = cloud.requests.total;
  const servers = await all(cloud.compute.servers());
  assert.deepEqual(new Set(servers.map((entry) => entry.kind === 'present' && entry.server.name)).size, 10);
  assert.equal(cloud.requests.total - before, 3);
});

test('a quota ends the making of servers', async () => {
  const { cloud } = started({ instances: 1 });
  cloud.populate(1);
  await assert.rejects(cloud.compute.createServer({ name: 'x', flavorId: 'm1.tiny', networks: 'none' }), is('QuotaExceeded'));
});

test('a call takes its time, and can be aborted', async () => {
  const { cloud, clock } = started({ latencyMs: 100 });
  const waiting = cloud.compute.server('x', AbortSignal.abort(new Error('enough')));
  await assert.rejects(waiting, /enough/);
  let answered = false;
  const asked = cloud.compute.server('x').then(() => (answered = true));
  await clock.advance(99);
  assert.equal(answered, false);
  await clock.advance(1);
  await asked;
});

test('a cloud that was closed answers no more, and nothing happens in it', async () => {
  const { cloud, clock } = started();
  const { id } = await cloud.compute.createServer({ name: 'web', flavorId: 'm1.tiny', networks: 'none' });
  await cloud[Symbol.asyncDispose]();
  await clock.advance(5000);
  assert.equal(cloud.compute.table.get(id)?.status, 'BUILD');
  await assert.rejects(cloud.compute.server(id), /was closed/);
});
