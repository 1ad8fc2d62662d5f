/** Real guests of a real OpenStack: they boot from an image and from a volume, and their disks can be read through its APIs. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { terminalProgress } from '../../src/cli/terminal-progress.ts';
import { buildGuestImage } from '../../src/local/images/guest-image.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import type { OpenStackApi } from '../../src/local/openstack/api.ts';
import { buildGuestDisk } from '../../src/local/openstack/guest-disk.ts';
import { guestReady, makeGuest, snapshotServer, uploadGuestDisk } from '../../src/local/openstack/seed/guests.ts';
import { makeNetworks } from '../../src/local/openstack/seed/networks.ts';
import { ensureOperatorObjects } from '../../src/local/openstack/seed/operator-objects.ts';
import { makeProject } from '../../src/local/openstack/seed/project.ts';
import { act, serverBecomes } from '../../src/local/openstack/seed/servers.ts';
import { becomes, makeVolume } from '../../src/local/openstack/seed/volumes.ts';
import { eventually } from '../../src/local/openstack/seed/waiting-for.ts';
import type { OpenStackPeer } from '../../src/local/openstack/openstack-peer.ts';
import { startOpenStack } from '../env/openstack.ts';

const progress = terminalProgress(process.stderr);

describe('guests of an OpenStack for tests', { timeout: 3_600_000 }, () => {
  let peer: OpenStackPeer;
  let tenant: OpenStackApi;
  let bytes: Buffer;
  let plan: { readonly flavor: string; readonly image: string; readonly networks: readonly string[] };
  const made: string[] = [];
  const guest = async (name: string, more: { readonly volumeGiB?: number } = {}) => {
    const id = await makeGuest(tenant, { name, ...plan, ...more });
    made.push(id);
    await guestReady(tenant, id);
    return id;
  };
  /** That what was read begins with the disk that was uploaded: its guest writes nothing to it. */
  const same = (read: Buffer) => assert.ok(read.subarray(0, bytes.length).equals(bytes), 'all bytes of the disk are the same');

  before(async () => {
    peer = await startOpenStack({ fakeHosts: 1, libvirt: true, progress });
    const admin = await peer.site.signIn(await peer.site.administrator());
    const operator = await ensureOperatorObjects(admin);
    tenant = await peer.site.signIn(await makeProject(admin, 'moving'));
    const networks = await makeNetworks(tenant, operator.externalNetwork);
    const disk = await buildGuestDisk({ guest: await buildGuestImage({ cacheFolder: join(defaultCacheRoot, 'images'), progress }), cacheFolder: join(defaultCacheRoot, 'openstack') });
    bytes = await readFile(disk);
    plan = { flavor: operator.flavors['m1.nano'], image: await uploadGuestDisk(admin, disk), networks: [networks.back] };
  });
  after(async () => {
    await peer?.[Symbol.asyncDispose]();
  });

  it('boot from an image, and their disk becomes an image that can be read', async () => {
    const id = await guest('from-image');
    same(await tenant.imageData(await snapshotServer(tenant, id, 'copy')));
  });

  it('boot from a volume, whose snapshot becomes an image that can be read', async () => {
    const id = await guest('from-volume', { volumeGiB: 1 });
    await act(tenant, id, { 'os-stop': null });
    await serverBecomes(tenant, id, 'SHUTOFF');
    const { volumeAttachments } = await tenant.get<{ readonly volumeAttachments: readonly { readonly volumeId: string }[] }>('compute', `/servers/${id}/os-volume_attachments`);
    const volume = volumeAttachments[0]?.volumeId ?? '';
    const { snapshot } = await tenant.post<{ readonly snapshot: { readonly id: string } }>('volumev3', '/snapshots', { snapshot: { name: 'moment', volume_id: volume, force: true } });
    await becomes(tenant, `/snapshots/${snapshot.id}`, 'snapshot', 'available');
    const copy = await makeVolume(tenant, { name: 'copy', size: 1, snapshot_id: snapshot.id });
    const upload = await tenant.post<{ readonly 'os-volume_upload_image': { readonly image_id: string } }>('volumev3', `/volumes/${copy}/action`, { 'os-volume_upload_image': { image_name: 'copy of volume', disk_format: 'raw', container_format: 'bare' } });
    const image = upload['os-volume_upload_image'].image_id;
    await eventually('the copy is an image', async () => ((await tenant.get<{ readonly status: string }>('image', `/images/${image}`)).status === 'active' ? true : undefined));
    same(await tenant.imageData(image));
    await tenant.delete('volumev3', `/volumes/${copy}`);
    await tenant.delete('volumev3', `/snapshots/${snapshot.id}`);
    await eventually('the snapshot is gone', async () => ((await tenant.get<{ readonly snapshots: readonly object[] }>('volumev3', '/snapshots')).snapshots.length === 0 ? true : undefined));
    await act(tenant, id, { 'os-start': null });
    await serverBecomes(tenant, id, 'ACTIVE');
    await guestReady(tenant, id);
  });

  it('go with their disks', async () => {
    for (const id of made) await tenant.delete('compute', `/servers/${id}`);
    await eventually('no server is left', async () => ((await tenant.get<{ readonly servers: readonly object[] }>('compute', '/servers')).servers.length === 0 ? true : undefined));
    await eventually('no volume is left', async () => ((await tenant.get<{ readonly volumes: readonly object[] }>('volumev3', '/volumes')).volumes.length === 0 ? true : undefined));
  });
});
