import { LABEL_VIRTUAL_MACHINE } from '../../api/group.ts';
import type { ServerMigration } from '../../api/open-stack-migration.ts';
import { LABEL_MOVED_FROM } from '../../api/open-stack-names.ts';
import { missing } from '../../kube/api-error.ts';
import { pods } from '../../kube/core.ts';
import { isDeleting } from '../../kube/object.ts';
import { virtualMachines } from '../../kube/yadokari.ts';
import { areCleared, clearDisks } from './disks.ts';
import { giveFloatingBack } from './floating.ts';
import { removeClaim, removeCopies } from './disk-move.ts';
import { entered, waiting, type StepContext, type Stepped } from './step.ts';

/**
 * The machine here ends before the server starts: the two have one address, and the same disks. What the machine has
 * written stays in its claims until the migration is deleted; claims that no machine had go.
 */
export async function goBack(server: ServerMigration, context: StepContext, signal: AbortSignal): Promise<Stepped> {
  if (!await removeMachine(server, context, signal)) return waiting(server, 'the machine here ends');
  const areGone = await removeCopies(server, context, signal);
  const cleared = await clearDisks(server, context, signal);
  if (!areGone || !areCleared(cleared)) return waiting(cleared, 'what was copied is removed from the cloud');
  if (cleared.floating !== undefined) return { server: await giveFloatingBack(cleared, context, signal), againMs: 0 };
  if (server.stoppedAt !== undefined && !await startSource(server, context, signal)) return waiting(cleared, 'the server starts in the cloud');
  const { disks: _disks, ran: _ran, stoppedAt: _stopped, readyAt: _ready, darkSeconds: _dark, ...rest } = cleared;
  if (server.readyAt !== undefined) return entered(rest, 'RolledBack', context.clock);
  const gone = await Promise.all((server.disks ?? []).map((disk) => removeClaim(disk, context, signal)));
  return gone.every(Boolean) ? entered(rest, 'RolledBack', context.clock) : waiting(cleared, 'its claims are removed');
}

/** Asks the API server: a machine that no cache shows yet would run beside its server. */
async function removeMachine({ name, id }: ServerMigration, { client, migration: { metadata: { namespace = 'default' } } }: StepContext, signal: AbortSignal): Promise<boolean> {
  const vm = await client.get(virtualMachines, { name, namespace }, signal).catch(missing);
  if (vm?.metadata.labels?.[LABEL_MOVED_FROM] === id && vm !== undefined) {
    if (!isDeleting(vm)) await client.delete(virtualMachines, { name, namespace }, { ...(vm.metadata.uid === undefined ? {} : { preconditions: { uid: vm.metadata.uid } }), signal }).catch(missing);
    return false;
  }
  // Its guest ends before its anchor goes.
  return (await client.listAll(pods, { namespace, labelSelector: `${LABEL_VIRTUAL_MACHINE}=${name}`, signal })).items.length === 0;
}

/** As it was before it was stopped. */
async function startSource({ id = '', ran }: ServerMigration, { cloud: { compute } }: StepContext, signal: AbortSignal): Promise<boolean> {
  const source = await compute.server(id, signal);
  if (source === undefined) return true;
  if (source.locked) {
    await compute.act(id, { kind: 'unlock' }, signal);
    return false;
  }
  if (ran !== true || source.status === 'ACTIVE') return true;
  if (source.status === 'SHUTOFF' && source.task === undefined) await compute.act(id, { kind: 'start' }, signal);
  return false;
}
