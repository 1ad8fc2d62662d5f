import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createAuthority, issueCertificate } from '../base/certificate.ts';
import { OpenStackCloud } from './cloud.ts';
import { CloudSettingsError } from './clouds.ts';
import { hasCode } from './errors.ts';
import { FakeCloud, PROJECT_ID, recorded } from './fake-cloud.ts';
import { all } from './page.ts';

test('a cloud says who one is', async () => {
  await using fake = await FakeCloud.start();
  await using cloud = await OpenStackCloud.connect(fake.settings());
  assert.deepEqual(await cloud.identity.whoAmI(), { userId: '9909c9f4597b479da03db8d34b364c77', userName: 'alice', projectId: PROJECT_ID, projectName: 'acme', roles: ['reader', 'member'] });
  assert.equal(cloud.requests.total, 1);
});

test('a cloud without Cinder has no volumes, and all else', async () => {
  await using fake = await FakeCloud.start({ services: ['compute', 'network', 'image'] });
  fake.on('GET /network/v2.0/networks', recorded('neutron-networks'));
  await using cloud = await OpenStackCloud.connect(fake.settings());
  assert.equal(cloud.volume, undefined);
  assert.equal(cloud.placement, undefined);
  assert.equal((await all(cloud.network.networks())).length, 2);
});

test('Cinder by its other name, and by an address in the settings, is there', async () => {
  await using fake = await FakeCloud.start({ services: ['block-storage'] });
  fake.on(`GET /block-storage/v3/${PROJECT_ID}/types`, recorded('cinder-types'));
  await using cloud = await OpenStackCloud.connect(fake.settings());
  assert.equal((await all(cloud.volume?.types() ?? assert.fail('there is no Cinder'))).length, 2);
  await using bare = await FakeCloud.start({ services: [] });
  bare.on('GET /volumev3/', recorded('versions-volumev3'));
  bare.on(`GET /volumev3/v3/${PROJECT_ID}/types`, recorded('cinder-types'));
  await using overridden = await OpenStackCloud.connect(bare.settings(`volume_endpoint_override: ${bare.origin}/volumev3`));
  assert.equal((await all(overridden.volume?.types() ?? assert.fail('there is no Cinder'))).length, 2);
});

test('a service that every cloud should have is missed when it is called', async () => {
  await using fake = await FakeCloud.start({ services: ['network', 'dns'] });
  await using cloud = await OpenStackCloud.connect(fake.settings());
  await assert.rejects(all(cloud.compute.servers()), (error: unknown) => hasCode(error, 'ServiceMissing') && error.disposition === 'stalled' && error.message.includes('lists dns, network'));
});

for (const [line, expected] of [['region_name: Elsewhere', '"Elsewhere"'], ['interface: admin', 'admin endpoint']] as const) {
  test(`with ${line}, which the cloud has not got, what it has is told`, async () => {
    await using fake = await FakeCloud.start({ region: 'Here' });
    await using cloud = await OpenStackCloud.connect(fake.settings(line));
    await assert.rejects(all(cloud.network.networks()), (error: unknown) => hasCode(error, 'EndpointMissing') && error.message.includes(expected) && error.message.includes('internal in Here, public in Here'));
  });
}

test('placement says what hosts have', async () => {
  await using fake = await FakeCloud.start();
  fake.on('GET /placement/', { body: { versions: [{ id: 'v1.0', max_version: '1.39', min_version: '1.0' }] } });
  fake.on('GET /placement/resource_providers', recorded('placement-resource-providers-admin'));
  fake.on('GET /placement/resource_providers/p/inventories', { body: { resource_provider_generation: 1, inventories: { VCPU: { total: 8, reserved: 0, min_unit: 1, max_unit: 8, step_size: 1, allocation_ratio: 4.0 } } } });
  fake.on('GET /placement/resource_providers/p/usages', { body: { resource_provider_generation: 1, usages: { VCPU: 3 } } });
  await using cloud = await OpenStackCloud.connect(fake.settings());
  const [provider] = await cloud.placement?.resourceProviders() ?? [];
  assert.deepEqual(provider, { id: '76169431-6728-4929-9e93-85c6fa36ade0', name: 'c01', generation: 85 });
  assert.deepEqual(await cloud.placement?.inventories('p'), { VCPU: { total: 8, reserved: 0, allocationRatio: 4 } });
  assert.deepEqual(await cloud.placement?.usages('p'), { VCPU: 3 });
  assert.equal(fake.requests.at(-1)?.headers['openstack-api-version'], 'placement 1.39');
});

test('a cloud with an authority of its own is trusted by a file or a text, and by nobody without', async () => {
  const authority = await createAuthority('cloud-ca');
  const tls = await issueCertificate(authority, { commonName: 'cloud', addresses: ['127.0.0.1'], usages: ['server'] });
  await using fake = await FakeCloud.start({ tls });
  const folder = await mkdtemp(join(tmpdir(), 'yado-openstack-'));
  try {
    const file = join(folder, 'ca.pem');
    await writeFile(file, authority.certificate);
    for (const cacert of [file, authority.certificate]) {
      await using cloud = await OpenStackCloud.connect(fake.settings(`cacert: ${JSON.stringify(cacert)}`));
      assert.equal((await cloud.identity.whoAmI()).projectName, 'acme');
    }
    await assert.rejects(OpenStackCloud.connect(fake.settings()), (error: unknown) => hasCode(error, 'CertificateRefused'));
    await writeFile(file, 'no certificate');
    for (const cacert of [file, join(folder, 'none.pem')]) await assert.rejects(OpenStackCloud.connect(fake.settings(`cacert: ${cacert}`)), (error: unknown) => error instanceof CloudSettingsError && error.field === 'cacert' && error.message.includes(cacert));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('a cloud that was closed answers no more', async () => {
  await using fake = await FakeCloud.start();
  const cloud = await OpenStackCloud.connect(fake.settings());
  await cloud[Symbol.asyncDispose]();
  await assert.rejects(cloud.compute.server('x'), /was closed/);
  assert.equal(fake.requests.length, 1);
});
