import { LABEL_MOVED_FROM } from '../../api/open-stack-names.ts';
import type { ServerMigration } from '../../api/open-stack-migration.ts';
import { isAlreadyExists, isNotFound } from '../../kube/api-error.ts';
import { conditionOf, isTrue, timestamp } from '../../kube/conditions.ts';
import { secrets } from '../../kube/core.ts';
import { keyFor } from '../../kube/object.ts';
import { virtualMachines, type VirtualMachine } from '../../kube/yadokari.ts';
import { tidyDisks } from './disks.ts';
import { removeCopies } from './disk-move.ts';
import { takeFloating } from './floating.ts';
import { keepObjects } from './kept-objects.ts';
import { machineOf } from './machine.ts';
import { sourceServer } from './source-server.ts';
import { DARK_MS, entered, MigrationError, waiting, type StepContext, type Stepped } from './step.ts';

const USER_DATA_KEY = 'userdata';

/** The machine here takes the name of the one that showed the server, which the mirror lets go of in this phase. */
export async function start(server: ServerMigration, context: StepContext, signal: AbortSignal): Promise<Stepped> {
  const { vms, migration, clock } = context;
  const vm = vms.get(keyFor(migration.metadata.namespace, server.name));
  // Whoever has said that a copy is whole writes no more: the machine need not wait until these are gone.
  await removeCopies(server, context, signal);
  if (vm === undefined || vm.metadata.labels?.[LABEL_MOVED_FROM] !== server.id) {
    if (vm !== undefined && vm.spec.provider?.openstack?.server !== server.id) throw new MigrationError('NameTaken', `there is a VirtualMachine ${server.name} now that does not show the server: delete it, or set rollback`);
    if (vm !== undefined) return waiting(server, 'the mirror lets go of the server', DARK_MS);
    const taken = await takeFloating(server, context, signal);
    return waiting(taken, await make(taken, context, signal), DARK_MS);
  }
  const isReady = server.ran === false || isTrue(vm.status?.conditions, 'Ready');
  if (!isReady) return waiting(await tidyDisks(server, context, signal), `the machine here is ${sayOf(vm)}`, DARK_MS);
  const readyAtMs = clock.now();
  const darkSeconds = server.stoppedAt === undefined ? 0 : Math.max(0, Math.round((readyAtMs - Date.parse(server.stoppedAt)) / 1000));
  context.note({ type: 'Normal', reason: 'Moved', message: `${server.name} runs here, ${darkSeconds} s after it was stopped there` });
  return entered(server, 'Moved', clock, { readyAt: timestamp(readyAtMs), darkSeconds });
}

/** What is waited for then. */
async function make(server: ServerMigration, context: StepContext, signal: AbortSignal): Promise<string> {
  const { client, cloud, state, index } = context;
  const source = await cloud.compute.server(server.id ?? '', signal);
  if (source === undefined) throw new MigrationError('SourceGone', `server ${server.id} is not there any more: what is known of it is too old to make a machine of`);
  // Two of one machine never run: whoever has started the server since is told.
  if (source.status === 'SHUTOFF' && source.task !== undefined) return `the cloud is at the server (${source.task})`;
  if (source.status !== 'SHUTOFF') throw new MigrationError('SourceFault', `the server is ${source.status} again: stop it, and set rollback, since what it has written since was not copied`);
  const whole = sourceServer(source, state, index);
  const { keySecret } = await keepObjects(whole, context, signal);
  const userData = await userDataOf(server.name, context, signal);
  await client.create(virtualMachines, machineOf(server, whole, context, { keySecret, userData }), { signal }).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error;
  });
  return 'the machine here is made';
}

async function userDataOf(name: string, { client, migration: { metadata: { namespace = 'default' }, spec } }: StepContext, signal: AbortSignal): Promise<{ readonly name: string; readonly key: string } | undefined> {
  const secret = spec.userData?.find(({ server }) => server === name)?.secret;
  if (secret === undefined) return undefined;
  await client.get(secrets, { namespace, name: secret }, signal).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
    throw new MigrationError('SecretMissing', `Secret ${secret} with the user data of ${name} does not exist`);
  });
  return { name: secret, key: USER_DATA_KEY };
}

function sayOf({ status }: VirtualMachine): string {
  return `${status?.printableStatus ?? 'new'}: ${conditionOf(status?.conditions, 'Ready')?.message ?? 'not ready'}`;
}
