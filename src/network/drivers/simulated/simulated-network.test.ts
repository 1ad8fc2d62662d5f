import assert from 'node:assert/strict';
import { it } from 'node:test';
import { memoryIpam, SimulatedNetwork } from './simulated-network.ts';

const request = (name: string, pod = `${name}-a`) => ({ namespace: 'default', virtualMachine: name, uid: `uid-${name}`, pod, hostname: name });

it('keeps a VM\'s address when it moves to another node', async () => {
  const ipam = await memoryIpam();
  await using first = new SimulatedNetwork({ node: 'n1', ipam });
  await using second = new SimulatedNetwork({ node: 'n2', ipam });
  const before = await first.ensureGuest(request('web'));
  await first.removeGuest('default', 'web-a');
  const after = await second.ensureGuest(request('web', 'web-b'));
  assert.equal(after.address, before.address);
  assert.equal(after.macAddress, before.macAddress);
  assert.equal(first.guests.size, 0);
});

it('gives a thousand guests addresses of their own', async () => {
  await using network = new SimulatedNetwork({ node: 'n1', ipam: await memoryIpam() });
  const endpoints = await Promise.all(Array.from({ length: 1000 }, (_, index) => network.ensureGuest(request(`vm${index}`))));
  assert.equal(new Set(endpoints.map(({ address }) => address)).size, 1000);
  await network.prune(new Set(['default/vm7-a']));
  assert.deepEqual([...network.guests.keys()], ['default/vm7-a']);
});
