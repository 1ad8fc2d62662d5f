import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { OpenStackCloud } from './cloud.ts';
import { OpenStackError, hasCode } from './errors.ts';
import { FakeCloud, PROJECT_ID, recorded } from './fake-cloud.ts';
import { SimulatedCloud, type SimulatedCloudOptions } from './drivers/simulated/cloud.ts';
import { Inventory, type InventoryOptions, type SyncResult } from './inventory.ts';
import { INVENTORY_KINDS, type InventoryKind } from './inventory/state.ts';

const MINUTE = 60_000;

interface Ground {
  readonly cloud: SimulatedCloud;
  readonly inventory: Inventory;
  readonly clock: ManualClock;
  /** Calls of the cloud since the last time that it was asked. */
  readonly calls: () => readonly string[];
  /** What fails, by its call. */
  readonly faults: Map<string, unknown>;
}

function ground(servers: number, options: InventoryOptions = {}, cloudOptions: SimulatedCloudOptions = {}): Ground {
  const clock = new ManualClock(Date.UTC(2027, 0, 1));
  const faults = new Map<string, unknown>();
  let calls: string[] = [];
  const cloud = new SimulatedCloud({ clock, before: (service, call) => {
    calls.push(`${service} ${call}`);
    if (faults.has(call)) throw faults.get(call) as Error;
  }, ...cloudOptions });
  cloud.populate(servers);
  return { cloud, clock, faults, inventory: new Inventory(cloud, { clock, ...options }), calls: () => [calls, (calls = [])][0] ?? [] };
}

/** `servers +1 ~2 -3`, for kinds with differences. */
function told({ difference }: SyncResult): readonly string[] {
  return INVENTORY_KINDS.flatMap((kind: InventoryKind) => {
    const { added, changed, removed } = difference[kind];
    return added.length + changed.length + removed.length === 0 ? [] : [`${kind} +${added.length} ~${changed.length} -${removed.length}`];
  });
}

const sizes = ({ state }: Pick<Inventory, 'state'>): Partial<Record<InventoryKind, number>> => ({ servers: state.servers.size, ports: state.ports.size, volumes: state.volumes.size });

test('the first sync has everything', async () => {
  const { inventory, cloud } = ground(3);
  const result = await inventory.sync();
  assert.equal(result.full, true);
  assert.deepEqual(told(result), ['servers +3 ~0 -0', 'ports +3 ~0 -0', 'networks +2 ~0 -0', 'subnets +1 ~0 -0', 'routers +1 ~0 -0', 'securityGroups +1 ~0 -0', 'images +1 ~0 -0', 'flavors +3 ~0 -0', 'volumeTypes +1 ~0 -0']);
  assert.equal(result.requests, cloud.requests.total);
  assert.deepEqual(result.missing, []);
  assert.equal(inventory.state, result.state);
});

test('where nothing has changed a sync of 1000 servers takes a handful of calls, and the state stays the same object by object', async () => {
  const { inventory, clock, calls } = ground(1000);
  const { state } = await inventory.sync();
  await clock.advance(3 * MINUTE);
  await inventory.sync();
  await clock.advance(5000);
  calls();
  const idle = await inventory.sync();
  assert.deepEqual([...calls()].sort(), ['compute GET /servers/detail?changes-since', 'network GET /floatingips', 'network GET /ports', 'network GET /ports', 'volume GET /snapshots', 'volume GET /volumes']);
  assert.equal(idle.requests, 6);
  assert.equal(idle.changed, false);
  for (const kind of INVENTORY_KINDS) assert.equal(idle.state[kind], state[kind], kind);
});

test('a server that is made, changed and deleted is seen without listing all', async () => {
  const { inventory, cloud, clock } = ground(5);
  await inventory.sync();
  await clock.advance(5 * MINUTE);
  const { id } = await cloud.compute.createServer({ name: 'new', flavorId: 'm1.tiny', networks: 'auto' });
  const building = await inventory.sync();
  assert.deepEqual(told(building), ['servers +1 ~0 -0', 'ports +1 ~0 -0']);
  assert.equal(building.full, false);
  await clock.advance(2000);
  const running = await inventory.sync();
  assert.deepEqual(running.difference.servers.changed.map(({ before, after }) => [before.status, after.status]), [['BUILD', 'ACTIVE']]);
  await cloud.compute.deleteServer(id);
  const gone = await inventory.sync();
  assert.deepEqual(gone.difference.servers.removed.map((server) => server.id), [id]);
  assert.deepEqual(told(gone), ['servers +0 ~0 -1', 'ports +0 ~0 -1']);
  assert.deepEqual(sizes(inventory), { servers: 5, ports: 5, volumes: 0 });
});

test('a server that came and went between two syncs is not told of', async () => {
  const { inventory, cloud, clock } = ground(1);
  await inventory.sync();
  await clock.advance(MINUTE / 2);
  const { id } = await cloud.compute.createServer({ name: 'short', flavorId: 'm1.tiny', networks: 'none' });
  await cloud.compute.deleteServer(id);
  assert.deepEqual(told(await inventory.sync()), []);
});

test('addresses and volumes that change elsewhere are seen at their server, though Nova lists no change', async () => {
  const { inventory, cloud, clock, calls } = ground(3);
  const volume = await cloud.volume?.createVolume({ name: 'data', sizeGiB: 1 });
  await inventory.sync();
  await clock.advance(5 * MINUTE);
  await inventory.sync();
  const [server] = inventory.state.servers.keys();
  await cloud.compute.attachInterface(server ?? '', { kind: 'network', networkId: cloud.network.lan.id });
  calls();
  const plugged = await inventory.sync();
  assert.deepEqual(told(plugged), ['servers +0 ~1 -0', 'ports +1 ~0 -0']);
  assert.equal(plugged.state.servers.get(server ?? '')?.addresses.length, 2);
  assert.deepEqual(calls().filter((call) => call.includes('servers')), ['compute GET /servers/detail?changes-since', 'compute GET /servers/id']);
  await cloud.compute.attachVolume(server ?? '', { volumeId: volume?.id ?? '' });
  assert.deepEqual(told(await inventory.sync()), ['servers +0 ~1 -0', 'volumes +0 ~1 -0']);
});

/** How often single servers are read by each of two syncs, after the one that learns of a change. */
async function readsOfServers(inventory: Inventory, calls: () => readonly string[]): Promise<readonly number[]> {
  const reads: number[] = [];
  for (const isCounted of [false, true, true]) {
    await inventory.sync();
    const found = calls().filter((call) => call.endsWith('GET /servers/id'));
    if (isCounted) reads.push(found.length);
  }
  return reads;
}

test('a server whose cloud learns late of what touched it is read once more by the next sync, and then no more', async () => {
  const { inventory, cloud, clock, calls } = ground(3);
  await inventory.sync();
  await clock.advance(5 * MINUTE);
  await inventory.sync();
  const port = [...inventory.state.ports.values()][0] ?? assert.fail('there is no port');
  await cloud.network.setTags('ports', port.id, ['touched']);
  assert.deepEqual(await readsOfServers(inventory, calls), [1, 0]);
});

test('a server that was touched a moment before the first sync is read once more by the next', async () => {
  const { inventory, cloud, clock, calls } = ground(3);
  await clock.advance(5 * MINUTE);
  const port = [...cloud.network.table.ports.values()][0] ?? assert.fail('there is no port');
  await cloud.network.setTags('ports', port.id, ['touched']);
  assert.deepEqual(await readsOfServers(inventory, calls), [1, 0]);
});

test('when many servers are touched all are listed, rather than each read', async () => {
  const { inventory, cloud, clock, calls } = ground(50);
  await inventory.sync();
  await clock.advance(5 * MINUTE);
  await inventory.sync();
  for (const id of inventory.state.ports.keys()) await cloud.network.setTags('ports', id, ['touched']);
  calls();
  const result = await inventory.sync();
  assert.equal(result.full, true);
  assert.equal(calls().filter((call) => call.endsWith('GET /servers/id')).length, 0);
});

test('where a list of changes is refused at its second page all servers are listed', async () => {
  const { inventory, cloud, clock, faults } = ground(3);
  await inventory.sync();
  await clock.advance(5 * MINUTE);
  cloud.compute.remove([...inventory.state.servers.keys()][0] ?? '');
  faults.set('GET /servers/detail?changes-since', new OpenStackError('InvalidRequest', 'marker not found', { service: 'compute' }));
  const result = await inventory.sync();
  assert.equal(result.full, true);
  assert.deepEqual(told(result), ['servers +0 ~0 -1', 'ports +0 ~0 -1']);
});

test('what Nova lists nowhere as a change is found by the whole list that follows some time', async () => {
  const { inventory, cloud, clock } = ground(2, { fullMs: 10 * MINUTE });
  await inventory.sync();
  await clock.advance(5 * MINUTE);
  await inventory.sync();
  const [server] = inventory.state.servers.keys();
  await cloud.compute.setTags(server ?? '', ['seen']);
  assert.deepEqual(told(await inventory.sync()), []);
  await clock.advance(5 * MINUTE);
  const result = await inventory.sync();
  assert.equal(result.full, true);
  assert.deepEqual(told(result), ['servers +0 ~1 -0']);
});

test('a change that was written with a time before the last sync is seen all the same', async () => {
  const { inventory, cloud, clock } = ground(2, { overlapMs: 2 * MINUTE });
  await inventory.sync();
  await clock.advance(5 * MINUTE);
  await inventory.sync();
  const [server] = [...inventory.state.servers.values()];
  // Another host of the cloud, whose clock is a minute behind, writes it now.
  cloud.compute.table.set(server?.id ?? '', Object.freeze({ ...server ?? assert.fail(), name: 'late', updatedAtMs: clock.now() - MINUTE }));
  assert.deepEqual((await inventory.sync()).difference.servers.changed.map(({ after }) => after.name), ['late']);
});

test('our own clock may differ from that of the cloud by hours', async () => {
  const { cloud, clock } = ground(2);
  const ours = new ManualClock(Date.UTC(2027, 0, 1, 7));
  const inventory = new Inventory(cloud, { clock: ours });
  await inventory.sync();
  await clock.advance(5 * MINUTE);
  cloud.compute.change([...inventory.state.servers.keys()][0] ?? '', { name: 'renamed' });
  assert.deepEqual(told(await inventory.sync()), ['servers +0 ~1 -0']);
});

for (const call of ['GET /servers/detail?changes-since', 'GET /ports', 'GET /snapshots']) {
  test(`a sync that fails at ${call} has changed nothing, and the next tells of all`, async () => {
    const { inventory, cloud, clock, faults } = ground(2);
    const { state } = await inventory.sync();
    await clock.advance(5 * MINUTE);
    await cloud.compute.createServer({ name: 'new', flavorId: 'm1.tiny', networks: 'auto' });
    await cloud.volume?.createVolume({ name: 'data', sizeGiB: 1 });
    faults.set(call, new OpenStackError('ServiceFailed', 'no', { service: 'compute' }));
    await assert.rejects(inventory.sync(), (error: unknown) => hasCode(error, 'ServiceFailed'));
    assert.equal(inventory.state, state);
    faults.clear();
    assert.deepEqual(told(await inventory.sync()), ['servers +1 ~0 -0', 'ports +1 ~0 -0', 'volumes +1 ~0 -0']);
  });
}

test('a list that fails at its second page has changed nothing', async () => {
  let pages = 0;
  const { inventory, cloud, clock } = ground(5, {}, { pageSize: 3, before: (_, call) => {
    if (call === 'GET /ports' && (pages += 1) === 4) throw new OpenStackError('Unreachable', 'cut off', { service: 'network' });
  } });
  await inventory.sync();
  await clock.advance(MINUTE);
  await cloud.compute.createServer({ name: 'new', flavorId: 'm1.tiny', networks: 'auto' });
  await assert.rejects(inventory.sync(), /cut off/);
  assert.deepEqual(sizes(inventory), { servers: 5, ports: 5, volumes: 0 });
  await inventory.sync();
  assert.deepEqual(sizes(inventory), { servers: 6, ports: 6, volumes: 0 });
});

test('a sync that is aborted has changed nothing, and the next one comes in its turn', async () => {
  const aborting = new AbortController();
  const { inventory, clock, cloud } = ground(2, {}, { before: (_, call) => {
    if (call === 'GET /servers/detail?changes-since') aborting.abort(new Error('enough'));
  } });
  const { state } = await inventory.sync();
  await clock.advance(MINUTE);
  await cloud.compute.createServer({ name: 'new', flavorId: 'm1.tiny', networks: 'auto' });
  const [aborted, next] = [inventory.sync(aborting.signal), inventory.sync()];
  await assert.rejects(aborted, /enough/);
  assert.equal(inventory.state, state);
  assert.deepEqual(told(await next), ['servers +1 ~0 -0', 'ports +1 ~0 -0']);
});

test('whoever aborts while another sync goes on waits no longer, and that one goes on', async () => {
  const gate = Promise.withResolvers<void>();
  const { inventory } = ground(2, {}, { before: () => gate.promise });
  const first = inventory.sync();
  const aborting = new AbortController();
  const second = inventory.sync(aborting.signal);
  aborting.abort(new Error('enough'));
  await assert.rejects(second, /enough/);
  gate.resolve();
  assert.equal((await first).state.servers.size, 2);
});

test('a cloud without Cinder has no volumes, which is told', async () => {
  const { inventory } = ground(1, {}, { volumes: false });
  const first = await inventory.sync();
  assert.deepEqual([...first.missing].sort(), ['snapshots', 'volumeTypes', 'volumes']);
  assert.equal(first.state.volumes.size, 0);
  assert.deepEqual([...(await inventory.sync()).missing].sort(), ['snapshots', 'volumeTypes', 'volumes']);
});

test('a list that the cloud never had is missing, and one that it had before is an error', async () => {
  const { inventory, clock, faults } = ground(1);
  const missing = new OpenStackError('NotFound', 'The resource could not be found.', { service: 'network' });
  faults.set('GET /routers', missing);
  assert.deepEqual((await inventory.sync()).missing, ['routers']);
  await clock.advance(MINUTE);
  faults.clear();
  const found = await inventory.sync();
  assert.deepEqual(found.missing, []);
  assert.deepEqual(told(found), ['routers +1 ~0 -0']);
  faults.set('GET /routers', missing);
  await clock.advance(MINUTE);
  await assert.rejects(inventory.sync(), (error: unknown) => error === missing);
  assert.equal(inventory.state.routers.size, 1);
});

test('ports that cannot be listed are an error, since every cloud has some list of them', async () => {
  const { inventory, faults } = ground(1);
  faults.set('GET /ports', new OpenStackError('NotFound', 'no', { service: 'network' }));
  await assert.rejects(inventory.sync(), (error: unknown) => hasCode(error, 'NotFound'));
});

test('a list of which a later page is not found is not missing', async () => {
  let pages = 0;
  const { inventory, cloud } = ground(0, {}, { pageSize: 1, before: (_, call) => {
    if (call === 'GET /os-keypairs' && (pages += 1) === 2) throw new OpenStackError('NotFound', 'marker not found', { service: 'compute' });
  } });
  for (const name of ['a', 'b', 'c']) await cloud.compute.createKeypair(name, 'ssh-ed25519 AAAA');
  await assert.rejects(inventory.sync(), /marker not found/);
  assert.equal((await inventory.sync()).state.keypairs.size, 3);
});

test('servers whose part of the cloud does not answer stay as they were, and are told of', async () => {
  const { inventory, cloud, clock } = ground(3, { fullMs: MINUTE });
  const [id = ''] = (await inventory.sync()).state.servers.keys();
  cloud.compute.unreachable.add(id);
  await clock.advance(2 * MINUTE);
  const during = await inventory.sync();
  assert.equal(during.full, true);
  assert.deepEqual(during.unreachable, [id]);
  assert.deepEqual(told(during), []);
  await cloud.network.setTags('ports', [...inventory.state.ports.keys()][0] ?? '', ['touched']);
  const touched = await inventory.sync();
  assert.equal(touched.full, false);
  assert.deepEqual(touched.unreachable, [id]);
  assert.deepEqual(told(touched), ['ports +0 ~1 -0']);
  cloud.compute.unreachable.clear();
  cloud.compute.remove(id);
  assert.deepEqual(told(await inventory.sync()), ['servers +0 ~0 -1', 'ports +0 ~0 -1']);
});

test('a project that has more than was allowed is an error that needs a person', async () => {
  const { inventory } = ground(11, { most: 10 });
  await assert.rejects(inventory.sync(), (error: unknown) => (error as { code?: string }).code === 'InventoryTooLarge' && (error as { disposition?: string }).disposition === 'stalled');
  assert.equal(inventory.state.servers.size, 0);
});

test('10 000 servers of which some change are kept up to date by few calls', async () => {
  const { inventory, cloud, clock, calls } = ground(10_000);
  await inventory.sync();
  await clock.advance(3 * MINUTE);
  await inventory.sync();
  const ids = [...inventory.state.servers.keys()];
  for (const id of ids.slice(0, 100)) cloud.compute.change(id, { name: `${id}-renamed` });
  for (const id of ids.slice(100, 110)) cloud.compute.remove(id);
  calls();
  const result = await inventory.sync();
  assert.deepEqual(told(result), ['servers +0 ~100 -10', 'ports +0 ~0 -10']);
  assert.equal(result.state.servers.size, 9990);
  assert.ok(result.requests <= 15, `${result.requests} calls`);
});

test('answers of a real cloud become an inventory, and its tombstones take servers out of it', async () => {
  await using fake = await FakeCloud.start();
  const servers = 'GET /compute/v2.1/servers/detail';
  fake.on(servers, recorded('nova-servers-changes-since'), recorded('nova-servers-deleted-tombstone'));
  fake.on(`GET /volumev3/v3/${PROJECT_ID}/volumes/detail`, { body: { volumes: [] } });
  for (const [call, name] of RECORDED) fake.on(call, recorded(name));
  await using cloud = await OpenStackCloud.connect(fake.settings());
  const inventory = new Inventory(cloud);
  const first = await inventory.sync();
  assert.deepEqual(told(first), [
    'servers +1 ~0 -0', 'ports +1 ~0 -0', 'snapshots +1 ~0 -0', 'networks +2 ~0 -0', 'subnets +1 ~0 -0', 'routers +1 ~0 -0', 'securityGroups +2 ~0 -0', 'images +4 ~0 -0', 'flavors +3 ~0 -0', 'keypairs +1 ~0 -0', 'volumeTypes +2 ~0 -0',
  ]);
  assert.deepEqual([...first.missing].sort(), ['floatingAddresses', 'serverGroups']);
  const second = await inventory.sync();
  assert.deepEqual(second.difference.servers.removed.map(({ name }) => name), ['web1']);
  const since = Date.parse(fake.calls(servers)[1]?.query.get('changes-since') ?? '');
  assert.ok(Math.abs(Date.now() - 2 * MINUTE - since) < MINUTE, `${since}`);
});

/** What is not in it the cloud has not got. */
const RECORDED: readonly (readonly [string, string])[] = [
  ['GET /network/v2.0/ports', 'neutron-ports'], ['GET /network/v2.0/networks', 'neutron-networks'], ['GET /network/v2.0/subnets', 'neutron-subnets'], ['GET /network/v2.0/routers', 'neutron-routers'],
  ['GET /network/v2.0/security-groups', 'neutron-security-groups'], ['GET /image/v2/images', 'glance-images'], ['GET /compute/v2.1/flavors/detail', 'nova-flavors-detail'], ['GET /compute/v2.1/os-keypairs', 'nova-keypairs'],
  [`GET /volumev3/v3/${PROJECT_ID}/types`, 'cinder-types'], [`GET /volumev3/v3/${PROJECT_ID}/snapshots/detail`, 'cinder-snapshots-detail'],
];
