import type { ServerMigration } from '../../api/open-stack-migration.ts';
import { OpenStackError } from '../../openstack/errors.ts';
import { all } from '../../openstack/page.ts';
import { comingAddress } from './plan.ts';
import { sourceOf } from './planning.ts';
import type { StepContext } from './step.ts';

/** The server with the floating address that is to come along, as the cloud has it now: a copy takes hours, and a plan is as old. */
export async function withFloating({ floating: _former, ...server }: ServerMigration, context: StepContext, signal: AbortSignal): Promise<ServerMigration> {
  const source = sourceOf(server.name, context);
  const first = typeof source === 'string' ? undefined : source.interfaces[0];
  if (first === undefined) return server;
  const { hasFloating } = await context.ground();
  // A cloud need not know such addresses.
  const known = await all(context.cloud.network.floatingAddresses(signal)).catch((error: unknown) => (error instanceof OpenStackError && error.code === 'NotFound' ? [] : Promise.reject(error)));
  const floating = known.filter(({ portId }) => portId === first.port.id);
  const comes = comingAddress({ ...first, floating }, hasFloating);
  return comes === undefined ? server : { ...server, floating: { id: comes.id, address: comes.address, port: first.port.id } };
}

/** Takes the floating address from the server's port, so that the cloud leads it nowhere when the machine here has it. The server without one, where it has become another's. */
export async function takeFloating(server: ServerMigration, context: StepContext, signal: AbortSignal): Promise<ServerMigration> {
  const { floating, ...rest } = server;
  return floating === undefined || await lead(floating, undefined, context, signal) ? server : rest;
}

/** Leads it to the server's port again, unless it has become another's. The server without one. */
export async function giveFloatingBack({ floating, ...rest }: ServerMigration, context: StepContext, signal: AbortSignal): Promise<ServerMigration> {
  if (floating !== undefined) await lead(floating, floating.port, context, signal);
  return rest;
}

/** Whether it leads there now; it may be repeated. */
async function lead({ id, port }: NonNullable<ServerMigration['floating']>, to: string | undefined, { cloud: { network }, state }: StepContext, signal: AbortSignal): Promise<boolean> {
  const known = state.floatingAddresses.get(id)?.portId;
  if (known !== undefined && known !== port) return false;
  try {
    await network.moveFloatingAddress(id, to, signal);
    return true;
  } catch (error) {
    if (error instanceof OpenStackError && error.code === 'NotFound') return false;
    throw error;
  }
}
