import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { OpenStackCloud } from '../cloud.ts';
import { hasCode } from '../errors.ts';
import { FakeCloud, PROJECT_ID, recorded, type FakeAnswer } from '../fake-cloud.ts';
import { all } from '../page.ts';
import { Secret } from '../secret.ts';
import { bodyOfAction } from './bodies.ts';
import type { ComputeService, ServerAction } from './port.ts';

const ID = '561facb6-0d6f-400c-a6f9-f14f1fc0b79a';
const BASE = '/compute/v2.1';

/** Asks a Nova that answers one call as recorded; `version` is the newest microversion that it knows. */
async function asking<T>(call: string, answer: FakeAnswer, work: (compute: ComputeService, fake: FakeCloud) => Promise<T>, version = '2.93'): Promise<T> {
  await using fake = await FakeCloud.start();
  fake.on('GET /compute/', { body: { versions: [{ id: 'v2.1', version, min_version: '2.1' }] } });
  fake.on(call, answer);
  await using cloud = await OpenStackCloud.connect(fake.settings(), { attempts: 1 });
  return await work(cloud.compute, fake);
}

/** What it was sent. */
async function sentBy(call: string, answer: FakeAnswer, work: (compute: ComputeService) => Promise<unknown>, version?: string): Promise<unknown> {
  return asking(call, answer, async (compute, fake) => {
    await work(compute);
    return fake.calls(call)[0]?.body;
  }, version);
}

test('a server of 2.93 is read', async () => {
  const server = await asking(`GET ${BASE}/servers/${ID}`, recorded('nova-server'), (compute) => compute.server(ID));
  assert.deepEqual(server, {
    id: ID, name: 'web1', status: 'ACTIVE', power: 'running', projectId: PROJECT_ID, userId: '9909c9f4597b479da03db8d34b364c77',
    flavor: { kind: 'copy', name: 'm1.tiny', vcpus: 1, memoryMiB: 128, diskGiB: 1, ephemeralGiB: 0, swapMiB: 0, extraSpecs: { 'hw:cpu_policy': 'shared' } },
    imageId: '118a99a4-42ba-420e-a707-c6ea8788a09d', createdAtMs: Date.UTC(2026, 10, 21, 2, 25, 24), updatedAtMs: Date.UTC(2026, 10, 21, 2, 25, 26), launchedAtMs: Date.UTC(2026, 10, 21, 2, 25, 26),
    addresses: [{ network: 'lan', address: '10.9.3.157', version: 4, macAddress: 'fa:16:3e:be:94:29', kind: 'fixed' }],
    keyName: 'alice', metadata: { role: 'web' }, tags: ['bridge'], securityGroups: ['web'], availabilityZone: 'nova', hostId: '3faa011ed8af1dfb154be53a4b21ee0c56d6cb2b7c20a012e0a01b68',
    configDrive: true, volumes: [], locked: false, description: 'first', hostname: 'web1',
  });
});

test('a server of 2.1 names its flavor', async () => {
  const server = await asking(`GET ${BASE}/servers/${ID}`, recorded('nova-server-mv-2.1'), (compute) => compute.server(ID), '2.1');
  assert.deepEqual(server?.flavor, { kind: 'reference', id: 'f-tiny' });
  assert.equal(server?.locked, false);
});

test('a server that was booted from a volume has no image', async () => {
  const server = await asking(`GET ${BASE}/servers/${ID}`, recorded('nova-server-bfv'), (compute) => compute.server(ID));
  assert.equal(server !== undefined && 'imageId' in server, false);
  assert.deepEqual(server?.volumes, [{ id: 'd67d37ea-d1ac-455e-a59e-924570ddd130', deleteOnTermination: true }]);
});

test('what is read cannot be changed', async () => {
  const server = await asking(`GET ${BASE}/servers/${ID}`, recorded('nova-server'), (compute) => compute.server(ID));
  for (const part of [server, server?.addresses, server?.addresses[0], server?.metadata, server?.flavor, server?.tags]) assert.ok(Object.isFrozen(part));
});

test('a server that is not there is undefined, and deleting it no error', async () => {
  await asking(`GET ${BASE}/servers/${ID}`, recorded('nova-server-404'), async (compute) => {
    assert.equal(await compute.server(ID), undefined);
    await compute.deleteServer(ID);
  });
});

test('changes since a time are servers and what is left of deleted ones', async () => {
  await asking(`GET ${BASE}/servers/detail`, recorded('nova-servers-deleted-tombstone'), async (compute, fake) => {
    const changes = await all(compute.serverChanges(Date.UTC(2026, 10, 21, 2, 24, 52, 999)));
    assert.deepEqual(changes.map(({ kind }) => kind), ['gone', 'gone', 'gone']);
    assert.equal(fake.requests.at(-1)?.query.get('changes-since'), '2026-11-21T02:24:52Z');
  });
  const changes = await asking(`GET ${BASE}/servers/detail`, recorded('nova-servers-changes-since'), (compute) => all(compute.serverChanges(0)));
  assert.deepEqual(changes.map((change) => change.kind === 'present' && change.server.name), ['web1']);
});

test('a server in a cell that does not answer is neither gone nor half a server', async () => {
  const part = { id: ID, status: 'UNKNOWN', tenant_id: PROJECT_ID, created: '2026-11-21T02:25:24Z', links: [] };
  assert.deepEqual(await asking(`GET ${BASE}/servers/detail`, { body: { servers: [part] } }, (compute) => all(compute.servers())), [{ kind: 'unreachable', id: ID }]);
  await asking(`GET ${BASE}/servers/${ID}`, { body: { server: part } }, (compute) => assert.rejects(compute.server(ID), (error: unknown) => hasCode(error, 'ServiceFailed') && error.disposition === 'retry'));
});

/** As they were recorded with a real Nova, or as its reference has them. */
const ACTIONS: readonly (readonly [ServerAction, unknown])[] = [
  [{ kind: 'start' }, { 'os-start': null }],
  [{ kind: 'stop' }, { 'os-stop': null }],
  [{ kind: 'reboot', how: 'soft' }, { reboot: { type: 'SOFT' } }],
  [{ kind: 'reboot', how: 'hard' }, { reboot: { type: 'HARD' } }],
  [{ kind: 'pause' }, { pause: null }],
  [{ kind: 'unpause' }, { unpause: null }],
  [{ kind: 'suspend' }, { suspend: null }],
  [{ kind: 'resume' }, { resume: null }],
  [{ kind: 'lock', reason: 'bridge migration' }, { lock: { locked_reason: 'bridge migration' } }],
  [{ kind: 'lock' }, { lock: null }],
  [{ kind: 'unlock' }, { unlock: null }],
  [{ kind: 'shelve' }, { shelve: null }],
  [{ kind: 'shelveOffload' }, { shelveOffload: null }],
  [{ kind: 'unshelve' }, { unshelve: null }],
  [{ kind: 'resize', flavorId: 'f-small' }, { resize: { flavorRef: 'f-small' } }],
  [{ kind: 'confirmResize' }, { confirmResize: null }],
  [{ kind: 'revertResize' }, { revertResize: null }],
  [{ kind: 'unrescue' }, { unrescue: null }],
  [{ kind: 'addSecurityGroup', name: 'default' }, { addSecurityGroup: { name: 'default' } }],
];

for (const [action, body] of ACTIONS) test(`the action ${inspect(action)} is sent as Nova calls it`, () => assert.deepEqual(bodyOfAction(action), body));

test('an action that the state of the server forbids is a conflict', async () => {
  await asking(`POST ${BASE}/servers/${ID}/action`, recorded('error-nova-409-start-active'), (compute) => assert.rejects(compute.act(ID, { kind: 'start' }), (error: unknown) => hasCode(error, 'Conflict') && error.disposition === 'retry'));
});

test('an older Nova is told no reason for a lock', async () => {
  assert.deepEqual(await sentBy(`POST ${BASE}/servers/${ID}/action`, { status: 202 }, (compute) => compute.act(ID, { kind: 'lock', reason: 'x' }), '2.72'), { lock: null });
});

const CREATED = `POST ${BASE}/servers`;

test('a server is asked for as it was recorded', async () => {
  const sent = await sentBy(CREATED, recorded('nova-server-create'), async (compute) => {
    const created = await compute.createServer({
      name: 'web1', flavorId: 'f-tiny', imageId: 'image', keyName: 'alice', networks: [{ kind: 'port', portId: 'p1', tag: 'nic0' }], userDataBase64: new Secret('I2Nsb3VkLWNvbmZpZwo='),
      metadata: { role: 'web' }, tags: ['bridge'], configDrive: true, description: 'first', hints: { different_host: [ID] },
    });
    assert.equal(created.id, ID);
    assert.equal(created.adminPassword?.reveal(), 'uFBjB2U8L9nX');
    assert.doesNotMatch(inspect(created), /uFBj/);
  });
  assert.deepEqual(sent, {
    server: { name: 'web1', imageRef: 'image', flavorRef: 'f-tiny', key_name: 'alice', networks: [{ port: 'p1', tag: 'nic0' }], user_data: 'I2Nsb3VkLWNvbmZpZwo=', metadata: { role: 'web' }, tags: ['bridge'], config_drive: true, description: 'first' },
    'os:scheduler_hints': { different_host: [ID] },
  });
});

test('disks of a server come from volumes and images, or blank', async () => {
  const sent = await sentBy(CREATED, recorded('nova-server-create'), (compute) => compute.createServer({
    name: 'bfv', flavorId: 'f', networks: 'none', disks: [
      { source: { kind: 'volume', id: 'v1' }, destination: 'volume', bootIndex: 0, deleteOnTermination: true },
      { source: { kind: 'blank' }, destination: 'volume', sizeGiB: 3, deleteOnTermination: false, volumeType: 'ssd' },
    ],
  }));
  assert.deepEqual(sent, { server: { name: 'bfv', flavorRef: 'f', networks: 'none', block_device_mapping_v2: [
    { source_type: 'volume', uuid: 'v1', destination_type: 'volume', boot_index: 0, delete_on_termination: true },
    { source_type: 'blank', destination_type: 'volume', volume_size: 3, boot_index: -1, delete_on_termination: false, volume_type: 'ssd' },
  ] } });
});

test('a quota that is used up is told apart from what is forbidden', async () => {
  for (const [name, code] of [['error-nova-403-quota', 'QuotaExceeded'], ['error-nova-403-policy', 'Forbidden']] as const) {
    await asking(CREATED, recorded(name), (compute) => assert.rejects(compute.createServer({ name: 'x', flavorId: 'f', networks: 'auto' }), (error: unknown) => hasCode(error, code)));
  }
});

test('the console says its last lines', async () => {
  const call = `POST ${BASE}/servers/${ID}/action`;
  assert.equal(await asking(call, recorded('nova-action-console-output'), (compute) => compute.consoleOutput(ID, 20)), 'FAKE CONSOLE OUTPUT\nANOTHER\nLAST LINE');
  assert.deepEqual(await sentBy(call, recorded('nova-action-console-output'), (compute) => compute.consoleOutput(ID, 20)), { 'os-getConsoleOutput': { length: 20 } });
});

test('the address of a remote console is a secret, and a console that the cloud has not got an error', async () => {
  const call = `POST ${BASE}/servers/${ID}/remote-consoles`;
  const url = 'https://cloud.example:6080/vnc_auto.html?token=s3cret';
  const console = await asking(call, { body: { remote_console: { protocol: 'vnc', type: 'novnc', url } } }, (compute) => compute.remoteConsole(ID, 'novnc'));
  assert.equal(console.url.reveal(), url);
  assert.doesNotMatch(inspect(console), /s3cret/);
  await asking(call, recorded('nova-remote-console'), (compute) => assert.rejects(compute.remoteConsole(ID, 'novnc'), (error: unknown) => hasCode(error, 'InvalidRequest') && error.message.includes('Unavailable console type novnc')));
});

test('the id of an image is in the answer, and before 2.45 in its address', async () => {
  const call = `POST ${BASE}/servers/${ID}/action`;
  assert.equal(await asking(call, recorded('nova-action-createImage'), (compute) => compute.createImage(ID, 'snap')), 'e6536ca0-ab98-4c85-bf19-6b9783f38396');
  assert.equal(await asking(call, { status: 202, headers: { location: 'http://glance/v2/images/i-1' } }, (compute) => compute.createImage(ID, 'snap'), '2.44'), 'i-1');
  await asking(call, { status: 202 }, (compute) => assert.rejects(compute.createImage(ID, 'snap'), (error: unknown) => hasCode(error, 'InvalidAnswer')));
});

test('volumes of a server are listed and attached', async () => {
  const call = `${BASE}/servers/${ID}/os-volume_attachments`;
  const volumeId = '4dce7e7b-56cd-480e-968f-3fa035145be9';
  const attachment = { serverId: ID, volumeId, device: '/dev/sdb', tag: 'data', deleteOnTermination: false };
  assert.deepEqual(await asking(`GET ${call}`, recorded('nova-volume-attachments'), (compute) => compute.volumeAttachments(ID)), [{ ...attachment, attachmentId: 'e8329ce3-b1c8-49d1-928e-ba647137eeac' }]);
  assert.deepEqual(await asking(`POST ${call}`, recorded('nova-volume-attach'), (compute) => compute.attachVolume(ID, { volumeId, tag: 'data', deleteOnTermination: false })), attachment);
  assert.deepEqual(await sentBy(`POST ${call}`, recorded('nova-volume-attach'), (compute) => compute.attachVolume(ID, { volumeId, deleteOnTermination: false }), '2.78'), { volumeAttachment: { volumeId } });
  await asking(`POST ${call}`, recorded('nova-volume-attach'), (compute) => assert.rejects(compute.attachVolume(ID, { volumeId, deleteOnTermination: true }), (error: unknown) => hasCode(error, 'MicroversionUnsupported')), '2.78');
});

test('interfaces of a server are listed and attached', async () => {
  const call = `${BASE}/servers/${ID}/os-interface`;
  assert.deepEqual(await asking(`GET ${call}`, recorded('nova-server-interfaces'), (compute) => compute.interfaces(ID)), [{
    portId: 'd39922ab-1c93-48c1-ac2c-0522193cc595', networkId: 'fd2197cc-2866-4b8b-a032-7c29965c419b', macAddress: 'fa:16:3e:be:94:29', state: 'ACTIVE', addresses: [{ subnetId: 'd05a40cf-d35b-40b6-a593-3093a72ea7c0', address: '10.9.3.157' }], tag: 'nic0',
  }]);
  assert.deepEqual(await sentBy(`POST ${call}`, recorded('nova-interface-attach'), (compute) => compute.attachInterface(ID, { kind: 'network', networkId: 'n', address: '10.0.0.9' })), { interfaceAttachment: { net_id: 'n', fixed_ips: [{ ip_address: '10.0.0.9' }] } });
});

test('flavors come with their extra specs, before 2.61 by a call for each', async () => {
  const flavors = await asking(`GET ${BASE}/flavors/detail`, recorded('nova-flavors-detail'), (compute) => all(compute.flavors()));
  assert.deepEqual(flavors[1], { id: 'f-small', name: 'm1.small', vcpus: 2, memoryMiB: 2048, diskGiB: 10, ephemeralGiB: 0, swapMiB: 0, extraSpecs: { 'hw:cpu_policy': 'shared' }, public: true, disabled: false });
  await asking(`GET ${BASE}/flavors/detail`, { body: { flavors: [{ id: 'f', name: 'old', ram: 64, disk: 0, swap: '', vcpus: 1 }] } }, async (compute, fake) => {
    fake.on(`GET ${BASE}/flavors/f/os-extra_specs`, { body: { extra_specs: { a: 'b' } } });
    assert.deepEqual((await all(compute.flavors()))[0]?.extraSpecs, { a: 'b' });
  }, '2.60');
});

test('keypairs, groups and quotas are read', async () => {
  assert.deepEqual((await asking(`GET ${BASE}/os-keypairs`, recorded('nova-keypairs'), (compute) => all(compute.keypairs()))).map(({ name, type }) => [name, type]), [['alice', 'ssh']]);
  assert.deepEqual(await asking(`POST ${BASE}/os-server-groups`, recorded('nova-server-group-create'), (compute) => compute.createServerGroup('sg1', 'anti-affinity')), { id: '3ccaa5af-99fc-4381-b6e4-9b3f3aa31706', name: 'sg1', policy: 'anti-affinity', members: [] });
  assert.deepEqual(await sentBy(`POST ${BASE}/os-server-groups`, recorded('nova-server-group-create'), (compute) => compute.createServerGroup('sg1', 'affinity'), '2.63'), { server_group: { name: 'sg1', policies: ['affinity'] } });
  const quotas = await asking(`GET ${BASE}/os-quota-sets/${PROJECT_ID}/detail`, recorded('nova-quota-detail'), (compute) => compute.quotas());
  assert.deepEqual(quotas['instances'], { limit: 1000, used: 0, reserved: 0 });
});
