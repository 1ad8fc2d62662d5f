import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeClient } from '../../kube/client.ts';
import { FakeApi } from '../../kube/fake-api.ts';
import type { OpenStackTenant } from '../../kube/yadokari.ts';
import { cloudOfTenant } from './tenant-cloud.ts';

const signal = AbortSignal.timeout(5000);
const tenant = { metadata: { namespace: 'web', name: 'shop' }, spec: { cloud: { secret: 'clouds', name: 'acme' } } } as OpenStackTenant;
const auth = { auth_url: 'https://cloud.example/v3', username: 'u', password: 'p', project_name: 'shop', user_domain_name: 'Default' };

function given(data?: Readonly<Record<string, unknown>>) {
  const api = new FakeApi();
  const texts = Object.entries(data ?? {}).map(([name, value]) => [name, Buffer.from(JSON.stringify(value)).toString('base64')]);
  if (data !== undefined) api.put('/api/v1/namespaces/web/secrets', { metadata: { namespace: 'web', name: 'clouds' }, data: Object.fromEntries(texts) } as never);
  return { api, read: () => cloudOfTenant(new KubeClient(api), tenant, signal) };
}

test('the cloud of a tenant is the one that it names', async () => {
  const { read } = given({ 'clouds.yaml': { clouds: { other: { auth }, acme: { auth: { ...auth, auth_url: 'https://acme.example/v3' } } } } });
  assert.equal((await read()).authUrl, 'https://acme.example/v3');
});

test('a Secret that is not there, or may not be read, is named', async () => {
  await assert.rejects(given().read(), { code: 'SecretMissing', message: /Secret clouds of namespace web, .* does not exist/ });
  await assert.rejects(given({ other: 1 }).read(), { code: 'SecretMissing', message: /has no key clouds\.yaml/ });
  const { api, read } = given({});
  api.faults.push({ match: /secrets/, status: 403, reason: 'Forbidden' });
  await assert.rejects(read(), { code: 'SecretForbidden', message: /may not be read by you/ });
});
