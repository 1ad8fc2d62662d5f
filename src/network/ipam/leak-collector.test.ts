import assert from 'node:assert/strict';
import { it } from 'node:test';
import { KubeClient } from '../../kube/client.ts';
import { pods } from '../../kube/core.ts';
import { ipPools } from '../calico/kinds.ts';
import { handleOfContainer, handleOfVirtualMachine } from '../handle.ts';
import { CalicoIpam } from './calico-ipam.ts';
import { LeakCollector } from './leak-collector.ts';
import { MemoryApi } from './memory-api.ts';

it('releases what leaked twice in a row, and neither live containers nor VMs', async () => {
  const client = new KubeClient(new MemoryApi());
  await client.create(ipPools, { apiVersion: 'crd.projectcalico.org/v1', kind: 'IPPool', metadata: { name: 'p' }, spec: { cidr: '10.0.0.0/28', blockSize: 28 } });
  const ipam = new CalicoIpam({ client });
  const take = (container: string, pod: string) => ipam.assign({ handle: handleOfContainer(container), node: 'n1', attributes: { pod, namespace: 'default', node: 'n1' } });
  await ipam.assign({ handle: handleOfVirtualMachine('default', 'vm'), node: 'n1', attributes: { pod: 'vm-x', namespace: 'default', node: 'n1' } });
  const liveAddress = await take('live', 'live-pod');
  await take('known', 'gone-but-known');
  await take('old-sandbox', 'live-pod');
  await take('adding', 'new-pod');
  await take('leaked', 'gone');
  const pod = (name: string, podIP?: string) => client.create(pods, {
    apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default' }, spec: { containers: [] }, ...(podIP === undefined ? {} : { status: { podIP } }),
  });
  await pod('live-pod', liveAddress);
  await pod('new-pod');
  // The API in memory lists one namespace at a time.
  const oneNamespace = { listAll: (resource: typeof pods) => client.listAll(resource, { namespace: 'default' }) } as unknown as KubeClient;
  await using collector = new LeakCollector({ client: oneNamespace, ipam, node: 'n1', isKnown: (id) => id === 'known' });
  assert.deepEqual(await collector.collect(), []);
  assert.deepEqual([...await collector.collect()].sort(), ['k8s-pod-network.leaked', 'k8s-pod-network.old-sandbox']);
  assert.deepEqual(await ipam.addressesOf(handleOfContainer('live')), [liveAddress]);
  assert.equal((await ipam.addressesOf(handleOfVirtualMachine('default', 'vm'))).length, 1);
  assert.deepEqual(await collector.collect(), []);
});
