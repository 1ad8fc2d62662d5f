import type { OpenStackApi } from '../api.ts';
import { LocalError } from '../../errors.ts';
import type { Named } from './named.ts';
import { volumeTypes } from './operator-objects.ts';
import { eventually } from './waiting-for.ts';

export interface TenantVolumes {
  /** Holds a system. */
  readonly boot: string;
  readonly data: string;
  readonly archive: string;
  readonly scratch: string;
  /** Of the archive. */
  readonly snapshot: string;
}

/** Four volumes of 1 GiB or 2, one with an image's content, and a snapshot. */
export async function makeVolumes(tenant: OpenStackApi, image: string): Promise<TenantVolumes> {
  const [boot, data, archive, scratch] = await Promise.all([
    makeVolume(tenant, { name: 'boot', size: 1, imageRef: image }),
    makeVolume(tenant, { name: 'data', size: 2, metadata: { purpose: 'tables' } }),
    makeVolume(tenant, { name: 'archive', size: 1, volume_type: volumeTypes[1], description: 'What nobody reads' }),
    makeVolume(tenant, { name: 'scratch', size: 1 }),
  ]);
  const { snapshot } = await tenant.post<{ readonly snapshot: Named }>('volumev3', '/snapshots', { snapshot: { name: 'archive-1', volume_id: archive } });
  await becomes(tenant, `/snapshots/${snapshot.id}`, 'snapshot', 'available');
  return { boot, data, archive, scratch, snapshot: snapshot.id };
}

/** The id of a new volume once it is available; the size is in GiB. */
export async function makeVolume(tenant: OpenStackApi, volume: { readonly name: string; readonly size: number; readonly imageRef?: string; readonly [more: string]: unknown }): Promise<string> {
  const { id } = (await tenant.post<{ readonly volume: Named }>('volumev3', '/volumes', { volume })).volume;
  await becomes(tenant, `/volumes/${id}`, 'volume', 'available');
  return id;
}

/** Resolves when a volume or a snapshot has that status. Throws LocalError `SeedFailed` when it fails instead. */
export async function becomes(tenant: OpenStackApi, path: string, key: string, wanted: string): Promise<void> {
  await eventually(`${path} is ${wanted}`, async () => {
    const status = (await tenant.get<Readonly<Record<string, { readonly status: string }>>>('volumev3', path))[key]?.status ?? '';
    if (status.startsWith('error')) throw new LocalError('SeedFailed', `Cinder could not make ${path}: it is ${status}; its log tells why.`);
    return status === wanted ? true : undefined;
  });
}
