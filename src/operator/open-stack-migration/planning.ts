import { isDeepStrictEqual } from 'node:util';
import type { DiskMigration, ServerMigration } from '../../api/open-stack-migration.ts';
import { keyFor } from '../../kube/object.ts';
import { claimName, isInCeph, planOf, type PlanGround } from './plan.ts';
import { sourceServer, type SourceServer } from './source-server.ts';
import { entered, waiting, type StepContext, type Stepped } from './step.ts';

/** What would become of the server, as of the tenant's last sync; it goes on where it can be moved, and is meant to be. */
export async function planned(server: ServerMigration, context: StepContext, againMs: number): Promise<Stepped> {
  const source = sourceOf(server.name, context);
  if (typeof source === 'string') return blocked(server, context, source, againMs);
  const ground = await context.ground();
  const plan = planOf(server.name, source, ground);
  const known = { ...server, id: source.server.id, plan };
  if (plan.impossible.length > 0) return blocked(known, context, plan.impossible.join('; '), againMs);
  if (context.migration.spec.planOnly === true) return server.phase === 'Planned' ? { server: isDeepStrictEqual(known, server) ? server : known, againMs } : entered(known, 'Planned', context.clock);
  return entered({ ...known, attempt: (server.attempt ?? 0) + 1, disks: disksOf(server.name, source, ground) }, 'Waiting', context.clock);
}

/** The server that a machine shows; in words, why there is none. */
export function sourceOf(name: string, { state, index, vms, migration, tenant }: StepContext): SourceServer | string {
  const { namespace } = migration.metadata;
  const machine = vms.get(keyFor(namespace, name));
  const provider = machine?.spec.provider?.openstack;
  if (machine === undefined) return `there is no VirtualMachine ${name}`;
  if (provider?.tenant !== tenant.metadata.name) return `VirtualMachine ${name} shows no server of OpenStackTenant ${tenant.metadata.name}`;
  const server = state.servers.get(provider.server);
  return server === undefined ? `server ${provider.server} is not there any more` : sourceServer(server, state, index);
}

function disksOf(machine: string, { disks }: SourceServer, ground: PlanGround): DiskMigration[] {
  return disks.map(({ name, volume, sizeBytes }) => {
    const storageClassName = ground.classOf(volume?.type);
    return { name, claim: claimName(machine, name), sizeBytes, pass: 1, step: 'Waiting', ...(volume === undefined ? {} : { volume: volume.id }), ...(isInCeph(ground.spec, volume) ? { readFrom: 'Ceph' as const } : {}), ...(storageClassName === undefined ? {} : { storageClassName }) };
  });
}

function blocked(server: ServerMigration, { clock }: StepContext, why: string, againMs: number): Stepped {
  return waiting(server.phase === 'Blocked' ? server : entered(server, 'Blocked', clock).server, why, againMs);
}
