import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedCloud } from '../../openstack/drivers/simulated/cloud.ts';
import { Inventory } from '../../openstack/inventory.ts';
import { discoveryOf, type Discovery, type Whereabouts } from './discovery.ts';
import { discoveryText, whereaboutsText } from './discovery-text.ts';

const whereabouts: Whereabouts = {
  cloud: 'shop', authUrl: 'https://cloud.example:5000/v3', user: { id: 'u', name: 'ann', roles: ['member'] }, project: { id: 'p1', name: 'shop' }, region: 'One',
  services: [
    { kind: 'there', name: 'identity', url: 'https://cloud.example:5000/v3', version: 'v3' },
    { kind: 'failing', name: 'compute', url: 'https://cloud.example:8774', reason: 'compute: it sleeps' },
    { kind: 'missing', name: 'volume', reason: 'the cloud has no service volume' },
  ],
};

async function discovered(options: ConstructorParameters<typeof SimulatedCloud>[0], fill: (cloud: SimulatedCloud) => Promise<void> | void = () => {}): Promise<Discovery> {
  await using cloud = new SimulatedCloud(options);
  await fill(cloud);
  return discoveryOf(whereabouts, await new Inventory(cloud).sync());
}

const kindOf = (discovery: Discovery, wanted: string) => discovery.kinds.find(({ kind }) => kind === wanted);

test('servers come by name, each with what belongs to it', async () => {
  const { servers } = await discovered({}, async ({ compute, volume }) => {
    const data = await volume?.createVolume({ name: 'data', sizeGiB: 3 }) ?? assert.fail();
    compute.add({ name: 'web-10', flavorId: 'm1.tiny', networks: 'auto' });
    const web = compute.add({ name: 'web-2', flavorId: 'm1.small', networks: 'auto', disks: [{ source: { kind: 'volume', id: data.id }, destination: 'volume', deleteOnTermination: false }] });
    compute.change(web.id, { status: 'ERROR', fault: { code: 500, message: 'No valid host' }, locked: true, task: 'rebuilding' });
  });
  assert.deepEqual(servers.map(({ name }) => name), ['web-2', 'web-10']);
  const [web] = servers;
  assert.deepEqual([web?.status, web?.fault, web?.locked, web?.flavor, web?.volumes.map(({ name, sizeGiB }) => [name, sizeGiB])], ['ERROR', 'No valid host', true, 'm1.small', [['data', 3]]]);
  assert.match(web?.addresses[0]?.address ?? '', /^10\./);
});

test('what cannot be shown is counted out and named with its reason', async () => {
  const discovery = await discovered({}, async (cloud) => {
    const { image, network } = cloud;
    await image.createImage({ name: 'windows', diskFormat: 'vhd' });
    const [first] = network.table.subnets.values();
    if (first !== undefined) network.table.subnets.set('wide', { ...first, id: 'wide', name: 'wide', cidr: '198.51.100.0/24' });
    const [group] = network.table['security-groups'].values();
    if (group !== undefined) network.table['security-groups'].set(group.id, { ...group, stateful: false });
    cloud.populate(3);
  });
  const images = kindOf(discovery, 'images');
  assert.equal((images?.there ?? 0) - (images?.here ?? 0), 1);
  assert.deepEqual([kindOf(discovery, 'servers')?.here, kindOf(discovery, 'ports')?.here, kindOf(discovery, 'ports')?.there], [3, undefined, 3]);
  assert.ok(discovery.problems.some((line) => line.startsWith('image windows is of format vhd')), discovery.problems.join('\n'));
  assert.ok(discovery.problems.some((line) => line.startsWith('subnet wide (198.51.100.0/24) is not private')));
  assert.ok(discovery.problems.some((line) => line.includes('it is stateless')));
  const groups = kindOf(discovery, 'securityGroups');
  assert.equal(groups?.here, groups?.there, 'a policy that says less is a policy all the same');
});

test('kinds that the cloud has not got are named, and not counted', async () => {
  const discovery = await discovered({ volumes: false });
  assert.equal(kindOf(discovery, 'volumes'), undefined);
  assert.match(discoveryText(discovery), /^ {2}volumes: the cloud has no such service/m);
  assert.match(discoveryText(discovery), /^The project has no servers\.$/m);
});

test('who signs in where is one line, and each service another', () => {
  assert.equal(whereaboutsText(whereabouts), [
    'Cloud shop at https://cloud.example:5000/v3: user ann (member) in project shop (p1), region One',
    '',
    'SERVICE   VERSION  ADDRESS',
    'identity  v3       https://cloud.example:5000/v3',
    'compute   fails    https://cloud.example:8774',
    'volume    missing  the cloud has no service volume',
    '',
    'compute: it sleeps',
  ].join('\n'));
});

test('a server is one row, with dashes for what it has not', () => {
  const discovery: Discovery = {
    ...whereabouts, kinds: [{ kind: 'servers', there: 2, here: 2, as: 'VirtualMachine' }, { kind: 'floatingAddresses', there: 1, as: 'addresses of machines' }], missingKinds: [], unreachable: [], problems: [],
    servers: [
      { id: 's1', name: 'web', status: 'ACTIVE', task: 'powering-off', locked: true, flavor: 'm1', addresses: [{ address: '10.0.0.5', network: 'lan', floating: false }, { address: '203.0.113.7', network: 'lan', floating: true }], volumes: [{ id: 'v1', name: '' }], image: { id: 'i1', name: 'debian' } },
      { id: 's2', name: 'db', status: 'SHUTOFF', locked: false, flavor: 'm1', addresses: [], volumes: [] },
    ],
  };
  assert.deepEqual(discoveryText(discovery).split('\n').slice(0, 8), [
    'KIND                THERE  HERE  AS',
    'servers             2      2     VirtualMachine',
    'floating addresses  1      -     addresses of machines',
    '',
    'SERVER  STATUS                         FLAVOR  ADDRESSES                         VOLUMES  IMAGE',
    'web     ACTIVE (powering-off, locked)  m1      10.0.0.5, 203.0.113.7 (floating)  v1       debian',
    'db      SHUTOFF                        m1      -                                 -        -',
    '',
  ]);
});
