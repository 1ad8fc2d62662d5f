import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OpenStackTenantSpec } from '../../api/open-stack-tenant.ts';
import { ManualClock } from '../../base/clock.ts';
import { OpenStackError } from '../../openstack/errors.ts';
import { EMPTY_STATE } from '../../openstack/inventory/state.ts';
import type { Route, Router } from '../../openstack/network/types.ts';
import { RouterRoutes, takeBackRoutes, type RouteRound, type RouterRoute, type RouteView } from './router-routes.ts';

const signal = AbortSignal.timeout(10_000);
const edge: Router = { id: 'r1', name: 'edge', projectId: 'p', description: '', tags: [], revision: 1, status: 'ACTIVE', up: true, routes: [] };
const route = (destination: string, nextHop = '203.0.113.20'): RouterRoute => ({ router: 'r1', destination, nextHop });
const connect = { routers: [{ name: 'edge', nextHop: '203.0.113.20' }] };

/** A tenant whose status is written after each round, and a cloud that tells what it was asked for. */
function given(spec: Partial<OpenStackTenantSpec> = { connect }, routers: readonly Router[] = [edge]) {
  const [calls, clock]: [string[], ManualClock] = [[], new ManualClock(1_000_000)];
  const world = { spec: { cloud: { secret: 'c' }, ...spec }, networks: ['10.244.0.0/16'], routers, refused: undefined as OpenStackError | undefined };
  const write = (what: string) => async (id: string, routes: readonly Route[]): Promise<void> => {
    if (world.refused !== undefined) throw world.refused;
    calls.push(`${what} ${id} ${routes.map(({ destination, nextHop }) => `${destination} via ${nextHop}`).join(', ')}`);
  };
  const service: RouteView['service'] = { addRoutes: write('add'), removeRoutes: write('remove') };
  const routes = new RouterRoutes(clock);
  let recorded: readonly RouterRoute[] = [];
  const round = async (): Promise<RouteRound> => {
    const { spec: now, networks } = world;
    const done = await routes.work({ spec: now, recorded, networks, service, state: { ...EMPTY_STATE, routers: new Map(world.routers.map((router) => [router.id, router])) } }, signal);
    ({ recorded } = done);
    return done;
  };
  return { world, calls, clock, round, service };
}

test('a route is written down before it is asked for, and asked for once', async () => {
  const { calls, round, world } = given();
  const first = await round();
  assert.deepEqual([first.isAnnounced, first.recorded, first.condition?.reason, calls], [true, [route('10.244.0.0/16')], 'Connecting', []]);
  const second = await round();
  assert.deepEqual([second.isAnnounced, second.condition?.status, second.condition?.message], [false, 'True', '10.244.0.0/16: routed here by edge']);
  await round();
  assert.deepEqual(calls, ['add r1 10.244.0.0/16 via 203.0.113.20']);
  world.routers = [{ ...edge, routes: [{ destination: '10.244.0.0/16', nextHop: '203.0.113.20' }] }];
  await round();
  assert.equal(calls.length, 1);
});

test('one that somebody takes away is asked for again once the cloud shows it', async () => {
  const { calls, round, clock } = given();
  await round();
  await round();
  await clock.advance(90_000);
  await round();
  assert.equal(calls.length, 2);
});

test('one that is taken away and wanted again is asked for again', async () => {
  const { calls, round, world } = given();
  await round();
  await round();
  world.networks = [];
  await round();
  world.networks = ['10.244.0.0/16'];
  await round();
  await round();
  assert.deepEqual(calls.map((call) => call.split(' ')[0]), ['add', 'remove', 'add']);
});

test('what is not wanted any more is taken away, and what others have set stays', async () => {
  const { calls, round, world } = given();
  await round();
  await round();
  world.routers = [{ ...edge, routes: [{ destination: '192.168.0.0/24', nextHop: '10.0.0.9' }] }];
  world.networks = ['10.245.0.0/16'];
  await round();
  const moved = await round();
  assert.deepEqual(calls.slice(1), ['remove r1 10.244.0.0/16 via 203.0.113.20', 'add r1 10.245.0.0/16 via 203.0.113.20']);
  assert.deepEqual(moved.recorded, [route('10.245.0.0/16')]);
  world.spec = { cloud: { secret: 'c' } };
  assert.deepEqual(await round(), { recorded: [], isAnnounced: false });
  assert.equal(calls.at(-1), 'remove r1 10.245.0.0/16 via 203.0.113.20');
});

test('what the cloud refuses is said, and stays recorded', async () => {
  const { world, round } = given();
  await round();
  world.refused = new OpenStackError('InvalidRequest', 'network: the nexthop is not connected with router', { service: 'network' });
  const { condition, recorded } = await round();
  assert.deepEqual([condition?.status, condition?.reason, condition?.message], ['False', 'RouteRefused', 'router edge: network: the nexthop is not connected with router']);
  world.networks = [];
  assert.deepEqual((await round()).recorded, recorded);
});

test('routers that are not there, or are several, are named', async () => {
  assert.equal((await given({ connect: { routers: [{ name: 'other', nextHop: '203.0.113.20' }] } }).round()).condition?.message, 'the project has no router other');
  assert.equal((await given({ connect }, [edge, { ...edge, id: 'r2' }]).round()).condition?.message, '2 routers are called edge: name one by its id');
});

test('a cluster without IPPools says so, and a router that translates too', async () => {
  const empty = given();
  empty.world.networks = [];
  assert.equal((await empty.round()).condition?.reason, 'NoNetworks');
  const { round } = given({ connect }, [{ ...edge, gateway: { networkId: 'n', addresses: [], snat: true } }]);
  await round();
  assert.match((await round()).condition?.message ?? '', /router edge translates addresses/);
});

test('a tenant that goes takes all of them away', async () => {
  const { calls, service } = given();
  await takeBackRoutes([route('10.244.0.0/16'), route('10.245.0.0/16')], service, signal);
  assert.deepEqual(calls, ['remove r1 10.244.0.0/16 via 203.0.113.20, 10.245.0.0/16 via 203.0.113.20']);
});
