import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../../kube/api-error.ts';
import { KubeClient } from '../../kube/client.ts';
import type { TransportRequest } from '../../kube/transport.ts';
import { createTenant, findTenant } from './tenant-objects.ts';

const { signal } = new AbortController();
const request = { namespace: 'web', name: 'shop', secret: 'shop-cloud', cloudsYaml: 'clouds: {}', spec: { servers: { mode: 'Observe' } } } as const;
const TENANTS = '/apis/yadokari.dev/v1alpha1/namespaces/web/openstacktenants';
const SECRET = '/api/v1/namespaces/web/secrets';

/** A client whose API server answers with these, by method and path without query; all else is not there. */
function clientOf(answers: Readonly<Record<string, object | number>>): { readonly client: KubeClient; readonly calls: TransportRequest[] } {
  const calls: TransportRequest[] = [];
  const send = async (call: TransportRequest): Promise<string> => {
    calls.push(call);
    const key = `${call.method} ${call.path.split('?')[0]}`;
    const answer = answers[key] ?? 404;
    if (typeof answer === 'number') throw new ApiError(key, answer, JSON.stringify(answer === 409 ? { reason: 'AlreadyExists' } : {}));
    return JSON.stringify(answer);
  };
  return { client: new KubeClient({ send, open: () => assert.fail(), close: () => {} }), calls };
}
const named = (calls: readonly TransportRequest[]): readonly string[] => calls.map(({ method, path }) => `${method} ${path.split('?')[0]}`);
const list = { metadata: {}, items: [] };

test('a tenant is made after its Secret, which goes with it', async () => {
  const { client, calls } = clientOf({ [`GET ${TENANTS}`]: list, [`POST ${SECRET}`]: {}, [`POST ${TENANTS}`]: { metadata: { name: 'shop', uid: 'u1' } }, [`PATCH ${SECRET}/shop-cloud`]: {} });
  await createTenant(client, request, signal);
  assert.deepEqual(named(calls).slice(2), [`POST ${SECRET}`, `POST ${TENANTS}`, `PATCH ${SECRET}/shop-cloud`]);
  const [secret, tenant, owner] = calls.slice(2).map(({ body }) => JSON.parse(String(body)) as { readonly data?: Readonly<Record<string, string>>; readonly spec?: object; readonly metadata: { readonly ownerReferences?: readonly object[] } });
  assert.equal(Buffer.from(secret?.data?.['clouds.yaml'] ?? '', 'base64').toString(), 'clouds: {}');
  assert.deepEqual(tenant?.spec, { servers: { mode: 'Observe' }, cloud: { secret: 'shop-cloud' } });
  assert.deepEqual(owner?.metadata.ownerReferences, [{ apiVersion: 'yadokari.dev/v1alpha1', kind: 'OpenStackTenant', name: 'shop', uid: 'u1' }]);
});

test('a tenant that is refused leaves no Secret', async () => {
  const { client, calls } = clientOf({ [`GET ${TENANTS}`]: list, [`POST ${SECRET}`]: {}, [`POST ${TENANTS}`]: 422, [`DELETE ${SECRET}/shop-cloud`]: {} });
  await assert.rejects(createTenant(client, request, signal), { status: 422 });
  assert.equal(named(calls).at(-1), `DELETE ${SECRET}/shop-cloud`);
});

test('what is there already is left alone', async () => {
  const secret = clientOf({ [`GET ${TENANTS}`]: list, [`POST ${SECRET}`]: 409 });
  await assert.rejects(createTenant(secret.client, request, signal), { code: 'SecretExists' });
  const tenant = clientOf({ [`GET ${TENANTS}`]: list, [`GET ${TENANTS}/shop`]: { metadata: { name: 'shop' } } });
  await assert.rejects(createTenant(tenant.client, request, signal), { code: 'TenantExists' });
  for (const { calls } of [secret, tenant]) assert.ok(!named(calls).some((call) => call.startsWith('DELETE')));
});

test('a cluster that does not know tenants is told from one that has none', async () => {
  await assert.rejects(findTenant(clientOf({}).client, { namespace: 'web', name: 'shop' }, signal), { code: 'NoTenants' });
  const one = clientOf({ [`GET ${TENANTS}`]: { metadata: {}, items: [{ metadata: { name: 'shop' } }] } });
  await assert.rejects(findTenant(one.client, { namespace: 'web', name: 'shap' }, signal), { code: 'NoSuchTenant', message: /Did you mean shop\?/ });
});
