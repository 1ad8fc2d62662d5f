import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { ManualClock, systemClock, type Clock } from '../../base/clock.ts';
import { KubeClient } from '../../kube/client.ts';
import { nodes } from '../../kube/core.ts';
import { blockAffinities, ipamBlocks, ipamConfigs, ipamHandles, ipPools, ipReservations, type IPAMConfig, type IPPool } from '../calico/kinds.ts';
import { losslessCodec } from '../calico/lossless-codec.ts';
import { handleOfContainer, handleOfVirtualMachine } from '../handle.ts';
import { NetworkError, type NetworkErrorCode } from '../port.ts';
import { allocationsOf } from './block.ts';
import { CalicoIpam } from './calico-ipam.ts';
import { MemoryApi } from './memory-api.ts';

const API = 'crd.projectcalico.org/v1';
const NOW = Date.parse('2026-01-01T00:00:00Z');

interface World {
  readonly api: MemoryApi;
  readonly client: KubeClient;
  readonly clock: ManualClock;
  readonly ipam: CalicoIpam;
  /** Another process on the same API. */
  readonly another: (clock?: Clock) => CalicoIpam;
}

async function world(pools: Readonly<Record<string, IPPool['spec']>>, config?: Partial<IPAMConfig['spec']>): Promise<World> {
  const api = new MemoryApi();
  const client = new KubeClient(api).withCodec(losslessCodec);
  for (const [name, spec] of Object.entries(pools)) await client.create(ipPools, { apiVersion: API, kind: 'IPPool', metadata: { name }, spec });
  if (config !== undefined) {
    await client.create(ipamConfigs, { apiVersion: API, kind: 'IPAMConfig', metadata: { name: 'default' }, spec: { strictAffinity: false, autoAllocateBlocks: true, ...config } });
  }
  const clock = new ManualClock(NOW);
  const another = (own: Clock = clock): CalicoIpam => new CalicoIpam({ client: new KubeClient(api), clock: own, settingsTtlMs: 0 });
  return { api, client, clock, ipam: another(), another };
}

const small = { pool: { cidr: '10.0.0.0/28', blockSize: 30 } };
const request = (id: string, node = 'n1', more: object = {}) => ({ handle: handleOfContainer(id), node, attributes: { pod: id, namespace: 'default', node }, ...more });
const fails = (code: NetworkErrorCode) => (error: unknown): boolean => error instanceof NetworkError && error.code === code;

async function allocations({ client }: World): Promise<readonly string[]> {
  const { items } = await client.listAll(ipamBlocks);
  return items.flatMap(({ spec }) => allocationsOf(spec).map(({ address, handle }) => `${address} ${handle}`)).sort();
}

/** Blocks and handles tell the same story, and nothing is held twice. */
async function assertConsistent(w: World): Promise<void> {
  const [blocks, handles] = await Promise.all([w.client.listAll(ipamBlocks), w.client.listAll(ipamHandles)]);
  const held = new Map<string, number>();
  for (const { spec } of blocks.items) {
    for (const { handle } of allocationsOf(spec)) held.set(`${handle} ${spec.cidr}`, (held.get(`${handle} ${spec.cidr}`) ?? 0) + 1);
    assert.equal(new Set(spec.unallocated).size, spec.unallocated.length);
    for (const ordinal of spec.unallocated) assert.equal(spec.allocations[ordinal], null);
    assert.equal(spec.unallocated.length + spec.allocations.filter((index) => index !== null).length, spec.allocations.length);
    for (const index of spec.allocations) assert.ok(index === null || spec.attributes[index] !== undefined);
  }
  for (const key of held.keys()) {
    const [handle, cidr = ''] = key.split(' ');
    const object = handles.items.find(({ spec }) => spec.handleID === handle);
    assert.ok((object?.spec.block[cidr] ?? 0) >= (held.get(key) ?? 0), `handle ${handle} misses ${cidr}`);
  }
}

describe('CalicoIpam', () => {
  it('writes the objects as Calico does', async () => {
    const w = await world(small);
    assert.equal(await w.ipam.assign(request('C1')), '10.0.0.0');
    const [block] = (await w.client.listAll(ipamBlocks)).items;
    assert.equal(block?.metadata.name, '10-0-0-0-30');
    const start = BigInt(NOW) * 1_000_000n;
    assert.deepEqual(block.spec, {
      cidr: '10.0.0.0/30',
      affinity: 'host:n1',
      affinityClaimTime: '2026-01-01T00:00:00.000Z',
      strictAffinity: false,
      deleted: false,
      allocations: [0, null, null, null],
      unallocated: [1, 2, 3],
      attributes: [{ handle_id: 'k8s-pod-network.C1', secondary: { pod: 'C1', namespace: 'default', node: 'n1' } }],
      sequenceNumber: start + 1n,
      sequenceNumberForAllocation: { 0: start },
    });
    const [affinity] = (await w.client.listAll(blockAffinities)).items;
    assert.equal(affinity?.metadata.name, 'n1-10-0-0-0-30');
    assert.deepEqual(affinity.spec, { cidr: '10.0.0.0/30', node: 'n1', type: 'host', state: 'confirmed', deleted: 'false' });
    const [handle] = (await w.client.listAll(ipamHandles)).items;
    assert.equal(handle?.metadata.name, 'k8s-pod-network.c1');
    assert.deepEqual(handle.spec, { handleID: 'k8s-pod-network.C1', block: { '10.0.0.0/30': 1 }, deleted: false });
  });

  it('needs two writes to assign and two to release', async () => {
    const w = await world(small);
    await w.ipam.assign(request('first'));
    const writes = (): number => (w.api.counts['POST'] ?? 0) + (w.api.counts['PUT'] ?? 0) + (w.api.counts['DELETE'] ?? 0);
    const before = writes();
    await w.ipam.assign(request('second'));
    assert.equal(writes() - before, 2);
    await w.ipam.release(handleOfContainer('second'));
    assert.equal(writes() - before, 4);
    assert.deepEqual((await w.client.listAll(ipamHandles)).items.map(({ spec }) => spec.handleID), ['k8s-pod-network.first']);
  });

  it('gives a handle the address that it has', async () => {
    const w = await world(small);
    const address = await w.ipam.assign(request('a'));
    assert.equal(await w.ipam.assign(request('a', 'n2')), address);
    assert.equal(await w.another().assign(request('a')), address);
    assert.deepEqual(await w.ipam.addressesOf(handleOfContainer('a')), [address]);
    assert.equal((await allocations(w)).length, 1);
  });

  it('uses a freed address last', async () => {
    const w = await world(small);
    const first = await w.ipam.assign(request('a'));
    await w.ipam.release(handleOfContainer('a'));
    const next = [await w.ipam.assign(request('b')), await w.ipam.assign(request('c')), await w.ipam.assign(request('d'))];
    assert.equal(next.includes(first), false);
    assert.equal(await w.ipam.assign(request('e')), first);
  });

  it('fills all blocks, borrows from other nodes, and then says that the pools are exhausted', async () => {
    const w = await world(small);
    await w.ipam.assign(request('other', 'n2'));
    const addresses = new Set<string>();
    for (let index = 0; index < 15; index++) addresses.add(await w.ipam.assign(request(`c${index}`)));
    assert.equal(addresses.size, 15);
    await assert.rejects(w.ipam.assign(request('late')), fails('PoolExhausted'));
    assert.equal((await w.client.listAll(ipamHandles)).items.length, 16);
    await assertConsistent(w);
  });

  it('borrows nothing when affinity is strict', async () => {
    const w = await world({ pool: { cidr: '10.0.0.0/29', blockSize: 30 } }, { strictAffinity: true });
    await w.ipam.assign(request('other', 'n2'));
    for (let index = 0; index < 4; index++) await w.ipam.assign(request(`c${index}`));
    await assert.rejects(w.ipam.assign(request('late')), fails('PoolExhausted'));
  });

  it('claims no more blocks than a host may have', async () => {
    const w = await world(small, { maxBlocksPerHost: 1, strictAffinity: true });
    for (let index = 0; index < 4; index++) await w.ipam.assign(request(`c${index}`));
    await assert.rejects(w.ipam.assign(request('late')), fails('PoolExhausted'));
    assert.equal((await w.client.listAll(ipamBlocks)).items.length, 1);
  });

  it('takes an idle block of another node once it is older than a minute', async () => {
    const w = await world({ pool: { cidr: '10.0.0.0/30', blockSize: 30 } }, { strictAffinity: true });
    await w.ipam.assign(request('other', 'n2'));
    await w.ipam.release(handleOfContainer('other'));
    await assert.rejects(w.ipam.assign(request('a')), fails('PoolExhausted'));
    await w.clock.advance(61_000);
    await w.ipam.assign(request('a'));
    assert.deepEqual((await w.client.listAll(blockAffinities)).items.map(({ metadata }) => metadata.name), ['n1-10-0-0-0-30']);
    // The former owner remembers the block and must notice.
    await assert.rejects(w.ipam.assign(request('b', 'n2')), fails('PoolExhausted'));
    await assertConsistent(w);
  });

  it('gives a requested address, also one in another node\'s block, and refuses one that is held or in no pool', async () => {
    const w = await world(small);
    await w.ipam.assign(request('other', 'n2'));
    const [block] = (await w.client.listAll(ipamBlocks)).items;
    const last = `10.0.0.${Number(block?.spec.cidr.split(/[./]/)[3]) + 3}`;
    assert.equal(await w.ipam.assign(request('a', 'n1', { requested: last })), last);
    await assert.rejects(w.ipam.assign(request('b', 'n1', { requested: last })), fails('AddressInUse'));
    await assert.rejects(w.ipam.assign(request('b', 'n1', { requested: '10.9.0.1' })), fails('AddressOutsidePools'));
    assert.deepEqual(await w.ipam.addressesOf(handleOfContainer('b')), []);
    assert.equal((await w.client.listAll(ipamHandles)).items.length, 2);
  });

  it('moves a handle to the address that it asks for now', async () => {
    const w = await world(small);
    const before = await w.ipam.assign(request('a'));
    assert.equal(await w.ipam.assign(request('a', 'n1', { requested: '10.0.0.2' })), '10.0.0.2');
    assert.notEqual(before, '10.0.0.2');
    assert.deepEqual(await allocations(w), ['10.0.0.2 k8s-pod-network.a']);
  });

  it('leaves disabled, manual and foreign pools alone unless they are named', async () => {
    const w = await world({
      disabled: { cidr: '10.1.0.0/29', blockSize: 29, disabled: true },
      manual: { cidr: '10.2.0.0/29', blockSize: 29, assignmentMode: 'Manual' },
      tunnels: { cidr: '10.3.0.0/29', blockSize: 29, allowedUses: ['Tunnel'] },
      rack: { cidr: '10.4.0.0/29', blockSize: 29, nodeSelector: "rack == 'r1'" },
    });
    await w.client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', labels: { rack: 'r1' } } });
    assert.match(await w.ipam.assign(request('a')), /^10\.4\./);
    await assert.rejects(w.ipam.assign(request('b', 'n2')), fails('PoolExhausted'));
    assert.match(await w.ipam.assign(request('c', 'n2', { pools: ['manual'] })), /^10\.2\./);
    await assert.rejects(w.ipam.assign(request('d', 'n2', { requested: '10.1.0.1' })), fails('AddressOutsidePools'));
  });

  it('skips reserved addresses unless one is asked for', async () => {
    const w = await world({ pool: { cidr: '10.0.0.0/30', blockSize: 30 } });
    await w.client.create(ipReservations, { apiVersion: API, kind: 'IPReservation', metadata: { name: 'r' }, spec: { reservedCIDRs: ['10.0.0.0/31'] } });
    assert.equal(await w.ipam.assign(request('a')), '10.0.0.2');
    assert.equal(await w.ipam.assign(request('b')), '10.0.0.3');
    await assert.rejects(w.ipam.assign(request('c')), fails('PoolExhausted'));
    assert.equal(await w.ipam.assign(request('c', 'n1', { requested: '10.0.0.1' })), '10.0.0.1');
  });

  it('keeps a released address out of use while it cools down', async () => {
    const w = await world({ pool: { cidr: '10.0.0.0/31', blockSize: 31 } }, { ipCooldownSeconds: 60 });
    const address = await w.ipam.assign(request('a'));
    await w.ipam.assign(request('b'));
    await w.ipam.release(handleOfContainer('a'));
    await assert.rejects(w.ipam.assign(request('c')), fails('PoolExhausted'));
    await w.clock.advance(60_000);
    assert.equal(await w.ipam.assign(request('c')), address);
    await assertConsistent(w);
  });

  it('finishes what a crash left between the handle and the block', async () => {
    const w = await world(small);
    await w.ipam.assign(request('first'));
    // The process dies with the handle written.
    w.api.before = ({ method, path }) => (method === 'PUT' && path.includes('ipamblocks') ? Promise.reject(new Error('killed')) : Promise.resolve());
    await assert.rejects(w.ipam.assign(request('a')), /killed/);
    w.api.before = () => Promise.resolve();
    const again = w.another();
    const address = await again.assign(request('a'));
    assert.deepEqual(await again.addressesOf(handleOfContainer('a')), [address]);
    await again.release(handleOfContainer('a'));
    assert.deepEqual((await w.client.listAll(ipamHandles)).items.map(({ spec }) => spec.handleID), ['k8s-pod-network.first']);
    assert.equal((await allocations(w)).length, 1);
  });

  it('finishes what a crash left of a claim', async () => {
    const w = await world({ pool: { cidr: '10.0.0.0/30', blockSize: 30 } }, { strictAffinity: true });
    w.api.before = ({ method, path }) => (method === 'PUT' && path.includes('blockaffinities') ? Promise.reject(new Error('killed')) : Promise.resolve());
    await assert.rejects(w.ipam.assign(request('a')), /killed/);
    w.api.before = () => Promise.resolve();
    await w.another().assign(request('a'));
    assert.deepEqual((await w.client.listAll(blockAffinities)).items.map(({ spec }) => spec.state), ['confirmed']);
  });

  it('takes the handle back when the block was filled by others meanwhile', async () => {
    const w = await world({ pool: { cidr: '10.0.0.0/31', blockSize: 31 } });
    const [a, b] = [w.ipam, w.another()];
    await a.assign(request('a'));
    await b.assign(request('b'));
    await assert.rejects(a.assign(request('c')), fails('PoolExhausted'));
    assert.equal((await w.client.listAll(ipamHandles)).items.length, 2);
  });

  it('neither doubles nor leaks an address when many processes race', async () => {
    const w = await world({ pool: { cidr: '10.0.0.0/24', blockSize: 28 } });
    // Lets requests of different processes interleave.
    w.api.before = async () => {
      for (let turns = Math.floor(Math.random() * 4); turns > 0; turns--) await turn();
    };
    const workers = Array.from({ length: 6 }, (_, index) => ({ ipam: w.another(systemClock), node: `n${index % 3}`, name: `w${index}` }));
    await Promise.all(workers.map(async ({ ipam, node, name }) => {
      for (let round = 0; round < 25; round++) {
        const id = `${name}-${round}`;
        await ipam.assign(request(id, node));
        if (round % 2 === 1) await ipam.release(handleOfContainer(id));
      }
    }));
    const held = await allocations(w);
    assert.equal(held.length, 6 * 13);
    assert.equal(new Set(held.map((line) => line.split(' ')[0])).size, held.length);
    assert.equal(new Set(held.map((line) => line.split(' ')[1])).size, held.length);
    assert.equal((await w.client.listAll(ipamHandles)).items.length, held.length);
    await assertConsistent(w);
  });

  it('gives processes that race for one handle one address', async () => {
    const w = await world(small);
    w.api.before = async () => {
      for (let turns = Math.floor(Math.random() * 4); turns > 0; turns--) await turn();
    };
    for (let round = 0; round < 10; round++) {
      const handle = handleOfVirtualMachine('default', `vm${round}`);
      const addresses = await Promise.all(['n1', 'n1', 'n1'].map((node) => w.another(systemClock).assign({ handle, node, attributes: { node } })));
      assert.equal(new Set(addresses).size, 1, addresses.join(' '));
      await w.ipam.release(handle);
    }
    assert.deepEqual(await allocations(w), []);
    assert.deepEqual((await w.client.listAll(ipamHandles)).items, []);
  });

  it('releases the containers and the idle blocks of a node that is gone, but no address of a VM', async () => {
    const w = await world(small);
    await w.ipam.assign(request('a'));
    const handle = handleOfVirtualMachine('default', 'vm');
    const address = await w.ipam.assign({ handle, node: 'n1', attributes: { node: 'n1' } });
    assert.deepEqual(await w.ipam.nodes(), ['n1']);
    await w.ipam.releaseNode('n1');
    assert.equal((await w.client.listAll(ipamBlocks)).items.length, 1);
    assert.deepEqual([await w.ipam.addressesOf(handleOfContainer('a')), await w.ipam.addressesOf(handle)], [[], [address]]);
    await w.ipam.release(handle);
    await w.ipam.releaseNode('n1');
    assert.deepEqual(await w.ipam.nodes(), []);
    assert.deepEqual((await w.client.listAll(ipamBlocks)).items, []);
    assert.deepEqual((await w.client.listAll(blockAffinities)).items, []);
  });
});
