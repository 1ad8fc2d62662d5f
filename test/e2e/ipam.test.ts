import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { KubeClient } from '../../src/kube/client.ts';
import { blockAffinities, ipamBlocks, ipamHandles } from '../../src/network/calico/kinds.ts';
import { losslessCodec } from '../../src/network/calico/lossless-codec.ts';
import { handleOfContainer, handleOfVirtualMachine } from '../../src/network/handle.ts';
import { allocationsOf } from '../../src/network/ipam/block.ts';
import { CalicoIpam } from '../../src/network/ipam/calico-ipam.ts';
import { startApiServer, type ApiServer } from '../env/api-server.ts';

const binDirectory = process.env['YADO_BIN'];
const manifests = ['calico-crds.yaml', 'network.yaml'].map((file) => join(import.meta.dirname, '../../deploy/manifests', file));

describe('addresses in a real API server', { skip: binDirectory === undefined ? 'YADO_BIN names no folder with etcd and kube-apiserver' : false, timeout: 120_000 }, () => {
  let api: ApiServer;
  let client: KubeClient;

  before(async () => {
    api = await startApiServer({ binDirectory: binDirectory ?? '', manifests, variables: { POD_CIDR: '10.244.0.0/16', HOST_ADDRESS: '10.0.0.1' } });
    client = api.client.withCodec(losslessCodec);
  });

  after(() => api?.[Symbol.asyncDispose]());

  const request = (id: string, node: string) => ({ handle: handleOfContainer(id), node, attributes: { pod: id, namespace: 'default', node } });

  it('stores blocks that the schema accepts and sequence numbers that stay whole', async () => {
    const ipam = new CalicoIpam({ client: api.client });
    const address = await ipam.assign(request('One', 'n1'));
    const block = (await client.listAll(ipamBlocks)).items[0] ?? assert.fail('no block');
    const [allocation] = allocationsOf(block.spec);
    assert.equal(allocation?.address, address);
    assert.equal(typeof block.spec.sequenceNumber, 'bigint');
    assert.equal(BigInt(block.spec.sequenceNumber ?? 0), (allocation?.sequenceNumber ?? 0n) + 1n);
    assert.equal((await client.get(ipamHandles, { name: 'k8s-pod-network.one' })).spec.handleID, 'k8s-pod-network.One');
    await ipam.release(handleOfContainer('One'));
    assert.deepEqual((await client.listAll(ipamHandles)).items, []);
  });

  it('neither doubles nor leaks an address when four processes race on two nodes', async () => {
    const workers = Array.from({ length: 4 }, (_, index) => ({ ipam: new CalicoIpam({ client: api.client }), node: `n${index % 2}`, name: `w${index}` }));
    const started = performance.now();
    await Promise.all(workers.map(async ({ ipam, node, name }) => {
      for (let round = 0; round < 30; round++) {
        await ipam.assign(request(`${name}-${round}`, node));
        if (round % 2 === 1) await ipam.release(handleOfContainer(`${name}-${round}`));
      }
    }));
    const perCallMs = (performance.now() - started) / (4 * 45);
    const held = (await client.listAll(ipamBlocks)).items.flatMap(({ spec }) => allocationsOf(spec));
    assert.equal(held.length, 60);
    assert.equal(new Set(held.map(({ address }) => address)).size, 60);
    assert.equal((await client.listAll(ipamHandles)).items.length, 60);
    console.log(`racing: ${perCallMs.toFixed(1)} ms a call`);
  });

  it('assigns in a few milliseconds when nobody races', async () => {
    const ipam = new CalicoIpam({ client: api.client });
    await ipam.assign(request('warm', 'n1'));
    const times: number[] = [];
    for (let index = 0; index < 20; index++) {
      const started = performance.now();
      await ipam.assign(request(`fast-${index}`, 'n1'));
      times.push(performance.now() - started);
    }
    const median = times.sort((a, b) => a - b)[10] ?? 0;
    assert.ok(median < 200, `${median} ms`);
    console.log(`alone: ${median.toFixed(1)} ms an assignment`);
  });

  it('keeps a VM\'s address on another node and gives all back in the end', async () => {
    const handle = handleOfVirtualMachine('default', 'web');
    const [first, second] = [new CalicoIpam({ client: api.client }), new CalicoIpam({ client: api.client })];
    const address = await first.assign({ handle, node: 'n1', attributes: { node: 'n1' } });
    assert.equal(await second.assign({ handle, node: 'n2', attributes: { node: 'n2' } }), address);
    const others = (await client.listAll(ipamHandles)).items.map(({ spec }) => spec.handleID);
    for (const id of others) await second.release(id as typeof handle);
    assert.deepEqual((await client.listAll(ipamHandles)).items, []);
    for (const node of ['n0', 'n1', 'n2']) await first.releaseNode(node);
    assert.deepEqual((await client.listAll(ipamBlocks)).items, []);
    assert.deepEqual((await client.listAll(blockAffinities)).items, []);
  });
});
