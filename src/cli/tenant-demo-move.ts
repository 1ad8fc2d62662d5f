import { API_VERSION } from '../api/group.ts';
import { systemClock } from '../base/clock.ts';
import type { Progress } from '../base/progress.ts';
import type { KubeClient } from '../kube/client.ts';
import { openStackMigrations, virtualMachines } from '../kube/yadokari.ts';
import type { Cloud } from '../openstack/port.ts';
import { DemoFailedError } from './demo.ts';
import { migrationReaches } from './tenant/migration-waiting.ts';
import { TENANT } from './tenant-demo.ts';

export interface DemoMoveOptions {
  readonly client: KubeClient;
  readonly cloud: Cloud;
  /** Its id. */
  readonly server: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** The server that moves, and the migration that moves it. */
export const MOVED = 'mover';
const PATIENCE_MS = 600_000;
const LOOK_MS = 200;

/** Moves a server here while it runs; rows of what it was there and is here. Throws DemoFailedError when it is not the same. */
export async function moveGuest({ client, cloud, server, progress, signal }: DemoMoveOptions): Promise<readonly (readonly string[])[]> {
  const { namespace, name: tenant } = TENANT;
  const before = await cloud.compute.server(server, signal);
  const [address] = before?.addresses ?? [];
  await client.create(openStackMigrations, { apiVersion: API_VERSION, kind: 'OpenStackMigration', metadata: { namespace, name: MOVED }, spec: { tenant, servers: { names: [MOVED] }, strategy: 'Warm', storageClassName: 'local' } }, { signal });
  const { status } = await migrationReaches(`Moving server ${MOVED} here, copied while it runs`, new Set(['Moved']), { client, namespace, name: MOVED, patienceMs: PATIENCE_MS, progress, signal });
  const moved = status?.servers?.[0];
  const system = await systemOf(client, progress, signal);
  const { status: here } = await client.get(virtualMachines, { namespace, name: MOVED }, signal);
  const after = await cloud.compute.server(server, signal);
  if (here?.address !== address?.address || here?.guest?.macAddress !== address?.macAddress) throw new DemoFailedError(`server ${MOVED} had ${address?.address} and ${address?.macAddress}, and the machine has ${here?.address ?? 'no address'} and ${here?.guest?.macAddress ?? 'none'}`);
  if (after?.status !== 'SHUTOFF' || !after.locked) throw new DemoFailedError(`server ${MOVED} is ${after?.status ?? 'gone'} in the cloud, and should be stopped and locked`);
  const [disk] = moved?.disks ?? [];
  return [
    ['SERVER MOVED', 'BEFORE, THERE', 'NOW, HERE'],
    [MOVED, `${before?.status}`, `${here?.printableStatus}, on node ${here?.node}; there ${after.status}, locked`],
    ['address', `${address?.address}`, `${here?.address}`],
    ['hardware address', `${address?.macAddress}`, `${here?.guest?.macAddress}`],
    ['disk', `${(disk?.sizeBytes ?? 0) / 2 ** 20} MiB`, `claim ${disk?.claim}, digest ${disk?.digest?.slice(0, 12)}…`],
    ['system', '-', system],
    ['dark', '-', `${moved?.darkSeconds} s`],
  ];
}

/** What the guest's agent says, which is that the guest has booted from what was copied. */
async function systemOf(client: KubeClient, progress: Progress, signal: AbortSignal): Promise<string> {
  return progress.step(`Waiting for the guest's agent of ${MOVED}`, async () => {
    for (const giveUpAt = systemClock.now() + PATIENCE_MS; ;) {
      const { status } = await client.get(virtualMachines, { namespace: TENANT.namespace, name: MOVED }, signal);
      if (status?.guest?.osName !== undefined) return status.guest.osName;
      if (systemClock.now() > giveUpAt) throw new DemoFailedError(`the guest of ${MOVED} is ${status?.printableStatus ?? 'unknown'}, and its agent does not answer`);
      await systemClock.sleep(LOOK_MS, signal);
    }
  });
}
