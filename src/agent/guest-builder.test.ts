import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CompiledCloudInit, CompiledGuest } from '../api/compiled-guest.ts';
import { KubeClient } from '../kube/client.ts';
import { FakeApi } from '../kube/fake-api.ts';
import { macAddressOf } from '../network/handle.ts';
import type { CloudInitSeed, DiskStore, GuestDisk } from '../vm/port.ts';
import type { Anchor } from './anchor.ts';
import { GuestBuilder, type GuestBuilderOptions } from './guest-builder.ts';

const signal = AbortSignal.timeout(5000);
const disk: GuestDisk = { name: 'cidata', path: '/nowhere/cidata.iso', format: 'raw', readOnly: true, device: 'disk' };

/** What a guest with this cloud-init is given, on a disk or kept for the metadata service. */
async function built(cloudInit: CompiledCloudInit, hasMetadata = true) {
  const seeds: CloudInitSeed[] = [];
  const kept: CloudInitSeed[] = [];
  const disks = {
    consoleLogPath: async () => '/nowhere/console.log', keepMetadata: async (_guest: string, seed: CloudInitSeed) => void kept.push(seed),
    ensureSeed: async (_guest: string, seed: CloudInitSeed) => {
      seeds.push(seed);
      return disk;
    },
  } as unknown as DiskStore;
  const api = new FakeApi();
  api.put('/api/v1/namespaces/shop/secrets', { metadata: { namespace: 'shop', name: 'keys' }, data: { alice: Buffer.from('ssh-ed25519 AAAA alice\n\n').toString('base64') } } as never);
  const guest: CompiledGuest = { name: 'web', uid: 'u1', hostname: 'web-host', cpu: { sockets: 1, cores: 1, threads: 1 }, memoryMiB: 64, boot: { kind: 'firmware', firmware: 'bios' }, disks: [], cloudInit };
  const anchor = { key: 'shop/web-a', namespace: 'shop', name: 'web-a', uid: 'p1', folder: 'shop.web.u1', guest } as Anchor;
  const builder = new GuestBuilder({ client: new KubeClient(api), disks, runDirectory: '/nowhere', hasMetadata } as unknown as GuestBuilderOptions);
  const files = await builder.files(anchor, () => {}, signal);
  const endpoint = { address: '10.244.0.5', macAddress: '02:00:00:00:00:01', tap: 'cali1', mtu: 1500 };
  return { seeds, kept, files, definition: builder.define(anchor, files, endpoint) };
}

test('a guest has its seed on a disk, where nothing else is said', async () => {
  const { seeds, kept, files, definition } = await built({ userData: 'x', sshKeySecrets: ['keys'] });
  assert.deepEqual([seeds.length, kept, files.disks, definition.product], [1, [], [disk], undefined]);
  assert.deepEqual([seeds[0]?.layout, seeds[0]?.instanceId, seeds[0]?.hostname, seeds[0]?.sshKeys], [undefined, 'u1', 'web-host', ['ssh-ed25519 AAAA alice']]);
});

test('a config drive tells what OpenStack would', async () => {
  const { seeds, kept, definition } = await built({ source: 'configDrive', instanceId: 'i', metadata: { tier: 'web' }, availabilityZone: 'nova', sshKeySecrets: [] });
  assert.deepEqual([kept, definition.product], [[], 'OpenStack Nova']);
  assert.deepEqual(seeds[0], { layout: 'configDrive', instanceId: 'i', hostname: 'web-host', name: 'web', projectId: 'shop', macAddress: macAddressOf('u1'), metadata: { tier: 'web' }, availabilityZone: 'nova', userData: '', sshKeys: [] });
});

test('what the metadata service tells is kept, and there is no disk', async () => {
  const { seeds, kept, files } = await built({ source: 'metadataService', userData: 'x', sshKeySecrets: [] });
  assert.deepEqual([seeds, kept.length, kept[0]?.userData, files.disks], [[], 1, 'x', []]);
});

test('a network that leads nobody to the metadata service says so', async () => {
  await assert.rejects(built({ source: 'metadataService', sshKeySecrets: [] }, false), { code: 'NoMetadataService', message: /needs the native network; on this one choose ConfigDrive or NoCloud/ });
});
