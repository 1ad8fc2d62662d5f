import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionOf } from '../../../kube/conditions.ts';
import type { VirtualMachineStatus } from '../../../api/virtual-machine-status.ts';
import type { VirtualMachine } from '../../../kube/yadokari.ts';
import { SERVER_STATUSES, type Server, type ServerStatus } from '../../../openstack/compute/types.ts';
import type { Port } from '../../../openstack/network/types.ts';
import type { Volume } from '../../../openstack/volume/port.ts';
import { printableOf } from '../server-words.ts';
import { contextWith, wantedOf } from './context-builder.ts';
import { isSelected, servers } from './servers.ts';

const server: Server = {
  id: 's1', name: 'Web', status: 'ACTIVE', power: 'running', projectId: 'p', userId: 'u', flavor: { kind: 'copy', name: 'm1.small', vcpus: 2, memoryMiB: 2048, diskGiB: 20, ephemeralGiB: 0, swapMiB: 0, extraSpecs: {} },
  imageId: 'i1', createdAtMs: Date.parse('2025-06-01T00:00:00Z'), updatedAtMs: 0,
  addresses: [
    { network: 'lan', address: 'fd00::5', version: 6, macAddress: 'fa:16:3e:00:00:01', kind: 'fixed' }, { network: 'lan', address: '10.0.0.5', version: 4, macAddress: 'fa:16:3e:00:00:01', kind: 'fixed' },
    { network: 'lan', address: '203.0.113.5', version: 4, macAddress: 'fa:16:3e:00:00:01', kind: 'floating' },
  ],
  keyName: 'alice', metadata: { tier: 'web' }, tags: [], securityGroups: ['web', 'default', 'web'], availabilityZone: 'nova', configDrive: false, volumes: [{ id: 'v1' }], locked: false,
};
const context = contextWith({
  state: {
    images: new Map([['i1', { name: 'Debian' }]]) as never,
    ports: new Map([['p1', { deviceId: 's1', securityGroupIds: ['g2', 'g1'] } as unknown as Port]]),
    volumes: new Map([['v1', { id: 'v1', attachments: [{ attachmentId: 'a', serverId: 's1', device: '/dev/vdb' }] } as unknown as Volume]]),
    serverGroups: new Map([['sg', { id: 'sg', name: 'spread', policy: 'anti-affinity', members: ['s1'] }]]),
  },
});
const mapped = (change: Partial<Server> = {}, existing?: VirtualMachine) => wantedOf(servers.map({ ...server, ...change }, context, existing));
const statusOf = (change: Partial<Server> = {}) => mapped(change).status as VirtualMachineStatus;

test('a server is a machine that another runs', () => {
  const { labels, annotations, body } = mapped();
  assert.deepEqual(body, { spec: { provider: { openstack: { tenant: 'shop', server: 's1' } }, runStrategy: 'Always', terminationGracePeriodSeconds: 60, evictionStrategy: 'Restart' } });
  assert.deepEqual(labels, { 'openstack.yadokari.dev/sg-g1': '', 'openstack.yadokari.dev/sg-g2': '', 'openstack.yadokari.dev/server-group': 'sg' });
  assert.deepEqual(annotations, { 'openstack.yadokari.dev/server-group': 'spread (anti-affinity)' });
});

test('the status of a machine shows all of its server', () => {
  assert.deepEqual(statusOf(), {
    printableStatus: 'Running', ready: true, address: '10.0.0.5', cpu: 2, memory: '2Gi',
    conditions: [{ type: 'Ready', status: 'True', reason: 'Active', message: 'the server runs', lastTransitionTime: '2026-01-01T12:00:00Z' }],
    provider: {
      openstack: {
        status: 'ACTIVE', powerState: 'running', flavor: 'm1.small', image: { id: 'i1', name: 'Debian' },
        addresses: [
          { network: 'lan', address: 'fd00::5', mac: 'fa:16:3e:00:00:01' }, { network: 'lan', address: '10.0.0.5', mac: 'fa:16:3e:00:00:01' }, { network: 'lan', address: '203.0.113.5', mac: 'fa:16:3e:00:00:01', floating: true },
        ],
        securityGroups: ['default', 'web'], keyName: 'alice', volumes: [{ id: 'v1', device: '/dev/vdb' }], metadata: { tier: 'web' }, availabilityZone: 'nova', createdAt: '2025-06-01T00:00:00Z', synced: 'Always',
      },
    },
  });
});

test('each word of Nova is one of ours', () => {
  const words: Readonly<Record<ServerStatus, string>> = {
    ACTIVE: 'Running', BUILD: 'Provisioning', DELETED: 'Terminating', ERROR: 'ErrorGuest', HARD_REBOOT: 'Starting', MIGRATING: 'Running', PASSWORD: 'Running', PAUSED: 'Paused', REBOOT: 'Starting', REBUILD: 'Provisioning', RESCUE: 'Running',
    RESIZE: 'Provisioning', REVERT_RESIZE: 'Provisioning', SHELVED: 'Stopped', SHELVED_OFFLOADED: 'Stopped', SHUTOFF: 'Stopped', SOFT_DELETED: 'Terminating', SUSPENDED: 'Paused', VERIFY_RESIZE: 'Running', UNKNOWN: 'Unknown',
  };
  assert.deepEqual(Object.fromEntries(SERVER_STATUSES.map((status) => [status, printableOf({ ...server, status })])), words);
  assert.equal(printableOf({ ...server, task: 'powering-off' }), 'Stopping');
});

test('an erred server is shown with its fault', () => {
  const status = statusOf({ status: 'ERROR', fault: { code: 500, message: 'No valid host was found.' } });
  assert.deepEqual([status.printableStatus, status.ready, status.provider?.openstack?.fault], ['ErrorGuest', false, 'No valid host was found.']);
  assert.deepEqual([conditionOf(status.conditions, 'Ready')?.reason, conditionOf(status.conditions, 'Ready')?.message], ['Error', 'No valid host was found.']);
});

test('a server on its way keeps the power that it had', () => {
  const existing = { metadata: {}, spec: {}, status: { provider: { openstack: { status: 'SHUTOFF', synced: 'Halted' } } } } as unknown as VirtualMachine;
  assert.equal((mapped({ status: 'REBUILD' }, existing).body['spec'] as { runStrategy: string }).runStrategy, 'Halted');
});

test('what is asked of a machine that is only observed is taken back', () => {
  const existing = { metadata: { annotations: { 'yadokari.dev/restarted-at': 'now' } }, spec: {} } as unknown as VirtualMachine;
  assert.equal(mapped({}, existing).annotations?.['yadokari.dev/restarted-at'], null);
});

test('a selector takes servers that have all of its metadata', () => {
  assert.ok(isSelected({}, undefined));
  assert.ok(isSelected({ tier: 'web', a: 'b' }, { selector: { metadata: { tier: 'web' } } }));
  assert.ok(!isSelected({ tier: 'db' }, { selector: { metadata: { tier: 'web' } } }));
  assert.ok(!isSelected({ tier: 'web' }, { selector: { metadata: { tier: 'web', a: 'b' } } }));
});

test('volumes and flavor of a server are claims and an InstanceType of its machine', () => {
  const of = (id: string, device: string): Volume => ({ id, attachments: [{ attachmentId: id, serverId: 's1', device }] } as unknown as Volume);
  const state = { flavors: new Map([['f1', { id: 'f1', name: 'm1.small' }]]) as never, volumes: new Map([['0badcafe-1', of('0badcafe-1', '/dev/vdc')], ['deadbeef-2', of('deadbeef-2', '/dev/vdb')]]) };
  const shown = contextWith({ state, mirrorOf: (target, id) => (id === 'v1' ? undefined : { name: `${target}-${id}` }) });
  const { body, status } = wantedOf(servers.map(server, shown, undefined));
  const { instanceType, disks } = body['spec'] as VirtualMachine['spec'];
  assert.equal(instanceType, 'flavors-f1');
  assert.deepEqual(disks, [{ name: 'vol-deadbeef', persistentVolumeClaim: 'claims-deadbeef-2' }, { name: 'vol-0badcafe', persistentVolumeClaim: 'claims-0badcafe-1' }], 'in the order of devices, without volumes that have no claim');
  const { syncedInstanceType, syncedVolumes } = (status as VirtualMachineStatus).provider?.openstack ?? {};
  assert.deepEqual([syncedInstanceType, syncedVolumes], ['flavors-f1', ['0badcafe-1', 'deadbeef-2']]);
});

test('a machine has no disks where volumes are not shown', () => {
  const { tenant } = context;
  const hidden = contextWith({ tenant: { ...tenant, spec: { ...tenant.spec, volumes: { mode: 'Ignore' } } }, mirrorOf: () => ({ name: 'claim' }) });
  assert.equal('disks' in (wantedOf(servers.map(server, hidden, undefined)).body['spec'] as object), false);
});
