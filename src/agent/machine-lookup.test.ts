import assert from 'node:assert/strict';
import { it } from 'node:test';
import { API_VERSION } from '../api/group.ts';
import { KubeClient } from '../kube/client.ts';
import { FakeApi } from '../kube/fake-api.ts';
import { MachineLookup } from './machine-lookup.ts';

const signal = AbortSignal.timeout(5000);
const api = new FakeApi();
const put = (name: string, metadata: object = {}): void => api.put('/apis/yadokari.dev/v1alpha1/namespaces/shop/virtualmachines', { apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: { namespace: 'shop', name, uid: `u-${name}`, ...metadata } } as never);
put('web');
put('old', { deletionTimestamp: '2026-01-01T12:00:00Z' });
put('again', { uid: 'u-of-its-successor' });

for (const [what, name, going] of [['that is there', 'web', false], ['that is being deleted', 'old', true], ['whose name another one has now', 'again', true], ['that does not exist', 'missing', true]] as const) {
  it(`a machine ${what} is ${going ? '' : 'not '}going`, async () => {
    assert.equal(await new MachineLookup(new KubeClient(api)).isGoing({ namespace: 'shop', name, uid: `u-${name}` }, signal), going);
  });
}

it('nothing is said of a machine while the API server does not answer', async () => {
  api.faults.push({ match: /web/, status: 503 });
  await assert.rejects(new MachineLookup(new KubeClient(api)).isGoing({ namespace: 'shop', name: 'web', uid: 'u-web' }, signal));
});
