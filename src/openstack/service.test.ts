import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpenStackCloud, type ConnectOptions } from './cloud.ts';
import { faultOf, FakeCloud, recorded, type FakeAnswer } from './fake-cloud.ts';
import { all } from './page.ts';

const SERVERS = 'GET /compute/v2.1/servers/detail';

interface Ground extends AsyncDisposable {
  readonly fake: FakeCloud;
  readonly cloud: OpenStackCloud;
}

async function ground(lines: readonly string[] = [], options: ConnectOptions = {}): Promise<Ground> {
  const fake = await FakeCloud.start();
  const cloud = await OpenStackCloud.connect(fake.settings(...lines), { attempts: 1, ...options });
  return {
    fake, cloud,
    async [Symbol.asyncDispose]() {
      await cloud[Symbol.asyncDispose]();
      await fake[Symbol.asyncDispose]();
    },
  };
}

/** The last recorded page, without a link to another. */
function lastPage(name: string, links: string): FakeAnswer {
  const { body } = recorded(name);
  return { body: { ...body as object, [links]: undefined } };
}

test('a list of servers is read page by page, as its links say', async () => {
  await using here = await ground([], { pageSize: 1 });
  here.fake.on(SERVERS, recorded('nova-page-1'), recorded('nova-page-2'), { body: { servers: [] } });
  const servers = await all(here.cloud.compute.servers());
  assert.deepEqual(servers.map((entry) => entry.kind === 'present' && entry.server.name), ['pg-c', 'pg-a']);
  assert.deepEqual(here.fake.calls(SERVERS).map(({ query }) => [query.get('limit'), query.get('marker')]), [
    ['1', null], ['1', '0ba13a6c-e095-4e41-9766-0340abb6335d'], ['1', '449e9f83-5c8d-4eff-b760-03c6bdff220c'],
  ]);
});

test('each service has its own way to say that there is more', async () => {
  await using here = await ground([], { pageSize: 1 });
  here.fake.on('GET /network/v2.0/ports', recorded('neutron-page-1'), { body: { ports: [] } });
  here.fake.on('GET /image/v2/images', recorded('glance-page-1'), lastPage('glance-page-1', 'next'));
  here.fake.on('GET /volumev3/v3/d054fa478fb14cd9bc183c3f3b342bfa/volumes/detail', recorded('cinder-page-1'), lastPage('cinder-page-1', 'volumes_links'));
  assert.equal((await all(here.cloud.network.ports())).length, 1);
  assert.equal((await all(here.cloud.image.images())).length, 2);
  assert.equal((await all(here.cloud.volume?.volumes() ?? assert.fail('there is no Cinder'))).length, 2);
});

test('a full page of Neutron without a link may have another after it', async () => {
  await using here = await ground([], { pageSize: 1 });
  const page = lastPage('neutron-page-1', 'ports_links');
  here.fake.on('GET /network/v2.0/ports', page, { body: { ports: [] } });
  assert.equal((await all(here.cloud.network.ports())).length, 1);
  assert.equal(here.fake.calls('GET /network/v2.0/ports').at(-1)?.query.get('marker'), '69e4bdc8-a620-4411-9a2c-3ce40ce17c33');
});

const BROKEN: readonly (readonly [string, FakeAnswer, string])[] = [
  ['that fails', { status: 500, body: 'oops' }, 'ServiceFailed'],
  ['of half an answer', { breaks: 'within', body: JSON.stringify(recorded('nova-page-2').body) }, 'Unreachable'],
  ['of half a JSON', { body: JSON.stringify(recorded('nova-page-2').body).slice(0, 500) }, 'InvalidAnswer'],
  ['without its list', { body: { servers_links: [] } }, 'InvalidAnswer'],
  ['without a body', {}, 'InvalidAnswer'],
  ['with a server that has no id', { body: { servers: [{ name: 'x' }] } }, 'InvalidAnswer'],
  ['whose marker is gone', { status: 400, body: { badRequest: { code: 400, message: 'marker [x] not found' } } }, 'InvalidRequest'],
];

for (const [what, answer, code] of BROKEN) {
  test(`a list with a second page ${what} is no list`, async () => {
    await using here = await ground([], { pageSize: 1 });
    here.fake.on(SERVERS, recorded('nova-page-1'), answer);
    assert.equal((await faultOf(all(here.cloud.compute.servers()))).code, code);
  });
}

test('a list whose links go in a circle comes to an end', async () => {
  await using here = await ground([], { pageSize: 1 });
  here.fake.on(SERVERS, recorded('nova-page-1'));
  const fault = await faultOf(all(here.cloud.compute.servers()));
  assert.match(fault.message, /does not come to an end/);
  assert.equal(here.fake.calls(SERVERS).length, 2);
});

test('whoever reads no further asks for no further page', async () => {
  await using here = await ground([], { pageSize: 1 });
  here.fake.on(SERVERS, recorded('nova-page-1'));
  for await (const page of here.cloud.compute.servers()) {
    assert.equal(page.items.length, 1);
    break;
  }
  assert.equal(here.fake.calls(SERVERS).length, 1);
});

test('the microversion is agreed on once, and each call names it', async () => {
  await using here = await ground();
  here.fake.on(SERVERS, { body: { servers: [] } });
  await Promise.all([all(here.cloud.compute.servers()), all(here.cloud.compute.servers())]);
  assert.equal(here.fake.calls('GET /compute/').length, 1);
  assert.ok(here.fake.calls(SERVERS).every(({ headers }) => headers['openstack-api-version'] === 'compute 2.93'));
});

test('a cloud.yaml may cap the microversion, and what needs a newer one says so', async () => {
  await using here = await ground(['compute_default_microversion: "2.20"']);
  assert.equal(await here.cloud.compute.supports('2.20'), true);
  assert.equal(await here.cloud.compute.supports('2.21'), false);
  const fault = await faultOf(here.cloud.compute.setTags('id', []));
  assert.equal(fault.code, 'MicroversionUnsupported');
  assert.match(fault.message, /to tag a server needs microversion 2\.26, and 2\.20 is spoken/);
});

test('a service without a microversion that is known here is told of', async () => {
  await using here = await ground();
  here.fake.on('GET /compute/', { body: { versions: [{ id: 'v2.1', version: '2.120', min_version: '2.100' }] } });
  const fault = await faultOf(all(here.cloud.compute.servers()));
  assert.equal(fault.code, 'MicroversionUnsupported');
  assert.match(fault.message, /offers the microversions 2\.100 to 2\.120, and needed is one of 2\.1 to 2\.93/);
});

test('a service that was replaced by an older one is asked anew for its microversions', async () => {
  await using here = await ground();
  here.fake.on(SERVERS, recorded('nova-406-microversion'), { body: { servers: [] } });
  assert.equal((await faultOf(all(here.cloud.compute.servers()))).code, 'MicroversionUnsupported');
  here.fake.on('GET /compute/', { body: { versions: [{ id: 'v2.1', version: '2.79', min_version: '2.1' }] } });
  await all(here.cloud.compute.servers());
  assert.equal(here.fake.calls(SERVERS).at(-1)?.headers['openstack-api-version'], 'compute 2.79');
});

test('the version document is looked for at the version, where a proxy hides the root', async () => {
  await using here = await ground();
  here.fake.on('GET /compute/', { status: 404, body: 'no' });
  here.fake.on('GET /compute/v2.1/', { body: { version: { id: 'v2.1', version: '2.60', min_version: '2.1' } } });
  assert.equal(await here.cloud.compute.supports('2.60'), true);
  assert.equal(await here.cloud.compute.supports('2.61'), false);
});

test('a version document that nobody has is told of, and asked for again by the next call', async () => {
  await using here = await ground();
  here.fake.on('GET /compute/', { status: 404, body: 'no' }, { status: 404, body: 'no' }, recorded('versions-compute'));
  assert.match((await faultOf(here.cloud.compute.supports('2.1'))).message, /no version document/);
  await faultOf(here.cloud.compute.supports('2.1'));
  assert.equal(await here.cloud.compute.supports('2.93'), true);
});

test('an id is an id, whatever is in it', async () => {
  await using here = await ground();
  assert.equal(await here.cloud.compute.server('../flavors?x=1'), undefined);
  assert.equal(here.fake.requests.at(-1)?.path, '/compute/v2.1/servers/..%2Fflavors%3Fx%3D1');
  for (const id of ['', '.', '..']) await assert.rejects(async () => here.cloud.compute.deleteServer(id), RangeError);
});

test('a list in the middle of which the token ends goes on with a new one', async () => {
  await using here = await ground([], { pageSize: 1 });
  here.fake.on(SERVERS, () => (here.fake.tokens.clear(), recorded('nova-page-1')), { body: { servers: [] } });
  assert.equal((await all(here.cloud.compute.servers())).length, 1);
  assert.equal(here.fake.calls('POST /identity/v3/auth/tokens').length, 2);
  assert.equal(here.fake.calls(SERVERS).length, 3);
});
