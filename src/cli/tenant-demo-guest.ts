import { join } from 'node:path';
import type { Progress } from '../base/progress.ts';
import { buildGuestImage } from '../local/images/guest-image.ts';
import { buildGuestDisk } from '../local/openstack/guest-disk.ts';
import type { OpenStackSite } from '../local/openstack/openstack-site.ts';
import { guestReady, makeGuest, uploadGuestDisk } from '../local/openstack/seed/guests.ts';
import { keypairs } from '../local/openstack/seed/keypairs.ts';
import type { SeededTenant } from '../local/openstack/seed/tenant.ts';

export interface DemoGuestOptions {
  readonly site: OpenStackSite;
  readonly tenant: SeededTenant;
  readonly name: string;
  /** Where built images are kept. */
  readonly cache: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** One server of the project that is more than a record: it boots, and its disk can be moved. Its id. */
export async function makeDemoGuest({ site, tenant, name, cache, progress, signal }: DemoGuestOptions): Promise<string> {
  const disk = await buildGuestDisk({ guest: await buildGuestImage({ cacheFolder: join(cache, 'images'), progress, signal }), cacheFolder: join(cache, 'openstack'), signal });
  return progress.step(`Booting the server ${name}, which is a real guest`, async () => {
    const admin = await site.signIn(await site.administrator(), signal);
    const api = await site.signIn(tenant, signal);
    const id = await makeGuest(api, { name, flavor: tenant.operator.flavors['m1.nano'], image: await uploadGuestDisk(admin, disk), networks: [tenant.networks.back], keyName: keypairs[0], metadata: { role: 'mover' } });
    await guestReady(api, id, signal);
    return id;
  });
}
