import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpenStackError } from '../errors.ts';
import { recorded } from '../fake-cloud.ts';
import { Wire } from '../wire.ts';
import { catalogOf, endpointOf, hasService, type Catalog } from './catalog.ts';

const catalog = catalogOf(new Wire('identity', 'the answer', recorded('keystone-token-password').body).object('token'));

function fault(work: () => unknown): OpenStackError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof OpenStackError);
    return error;
  }
  assert.fail('nothing was thrown');
}

test('the catalog of a real cloud says where services are', () => {
  assert.equal(endpointOf(catalog, 'compute', { interface: 'public' }), 'http://127.0.0.1:18774/v2.1');
  assert.equal(endpointOf(catalog, 'volume', { interface: 'internal', region: 'RegionOne' }), 'http://127.0.0.1:18776/v3/d054fa478fb14cd9bc183c3f3b342bfa');
  assert.ok(hasService(catalog, 'placement'));
});

test('a region that is not there is answered with what the catalog offers', () => {
  const { code, message, disposition } = fault(() => endpointOf(catalog, 'compute', { interface: 'public', region: 'RegionTwo' }));
  assert.equal(code, 'EndpointMissing');
  assert.equal(disposition, 'stalled');
  assert.match(message, /"RegionTwo".*admin in RegionOne, internal in RegionOne, public in RegionOne/);
});

const one = (type: string, face: string, region: string, url = 'http://c'): Catalog[number] => ({ type, interface: face, region, url });

test('an interface that is not there is answered with what the catalog offers', () => {
  assert.match(fault(() => endpointOf([one('compute', 'public', 'R')], 'compute', { interface: 'internal' })).message, /no internal endpoint.*public in R/);
});

test('one of several regions has to be chosen', () => {
  assert.match(fault(() => endpointOf([one('compute', 'public', 'A'), one('compute', 'public', 'B')], 'compute', { interface: 'public' })).message, /region_name to one of A, B/);
});

test('a service that is not there is answered with those that are', () => {
  const { code, message } = fault(() => endpointOf([one('compute', 'public', 'R')], 'volume', { interface: 'public' }));
  assert.equal(code, 'ServiceMissing');
  assert.match(message, /volume; its catalog lists compute/);
});

test('Cinder is known by each of its names, and not by those of its older APIs', () => {
  for (const type of ['volumev3', 'block-storage', 'volume']) assert.ok(hasService([one(type, 'public', 'R', 'http://c/v3/p')], 'volume'), type);
  assert.equal(hasService([one('volumev2', 'public', 'R', 'http://c/v2/p'), one('volume', 'public', 'R', 'http://c/v1/p')], 'volume'), false);
});
