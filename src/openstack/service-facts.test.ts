import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpenStackCloud } from './cloud.ts';
import { FakeCloud } from './fake-cloud.ts';

test('a cloud tells of each service where it is, which version is spoken, or why not', async () => {
  await using fake = await FakeCloud.start({ services: ['compute', 'network', 'image'] });
  fake.on('GET /compute/', { status: 500, body: { computeFault: { code: 500, message: 'It sleeps.' } } });
  await using cloud = await OpenStackCloud.connect(fake.settings());
  const { region, services } = await cloud.describe();
  assert.equal(region, 'RegionOne');
  assert.deepEqual(services.map((service) => [service.name, service.kind, service.kind === 'there' ? service.version : '']), [
    ['identity', 'there', 'v3'], ['compute', 'failing', ''], ['network', 'there', 'v2.0'], ['image', 'there', '2.15'], ['volume', 'missing', ''], ['placement', 'missing', ''],
  ]);
  assert.match(services.flatMap((service) => (service.kind === 'failing' ? [service.reason] : [])).join(), /compute: .*It sleeps\. \(HTTP 500\)/);
});

test('a region that the settings name is the one, whatever the catalog has', async () => {
  await using fake = await FakeCloud.start({ region: 'Here' });
  await using cloud = await OpenStackCloud.connect(fake.settings('region_name: Elsewhere'));
  const { region, services } = await cloud.describe();
  assert.equal(region, 'Elsewhere');
  assert.ok(services.filter(({ name }) => name !== 'identity').every(({ kind }) => kind === 'missing'));
});
