import { messageOf, YadoError } from '../../base/errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import type { ComputeService } from '../../openstack/compute/port.ts';
import type { RemoteConsole, RemoteConsoleType } from '../../openstack/compute/types.ts';
import { hasCode } from '../../openstack/errors.ts';
import type { CliContext } from '../context.ts';
import { withCloud } from './cloud-options.ts';
import { cloudOfTenant } from './tenant-cloud.ts';
import { findTenant } from './tenant-objects.ts';

/** Those that are of use to a person with a browser, or a client for web sockets; the first that there is is taken. */
export const CONSOLE_TYPES = ['novnc', 'spice-html5', 'serial'] as const satisfies readonly RemoteConsoleType[];

export interface ServerConsoleOptions {
  readonly log: boolean;
  readonly type?: RemoteConsoleType;
}

/** Prints the address of a server's console, or what the console has shown. */
export async function printServerConsole(client: KubeClient, { metadata: { name, namespace = 'default' }, spec: { provider } }: VirtualMachine, { log, type }: ServerConsoleOptions, context: CliContext): Promise<void> {
  const { print, progress, signal } = context;
  const { tenant: tenantName, server } = provider?.openstack ?? {};
  if (tenantName === undefined || server === undefined) throw new YadoError('NotASupportedProvider', `${name} is run by a provider that has no consoles`, { disposition: 'stalled' });
  const tenant = await findTenant(client, { namespace, name: tenantName }, signal);
  await withCloud(await cloudOfTenant(client, tenant, signal), context, async ({ compute }) => {
    if (log) return print((await compute.consoleOutput(server, undefined, signal)).trimEnd());
    const console = await consoleOf(compute, server, type === undefined ? CONSOLE_TYPES : [type], signal);
    progress.line(`Console of ${name} (${console.type}); whoever has the address has the console`);
    print(console.url.reveal());
  });
}

/** The first that the cloud has. Rejects with YadoError `NoConsole`, which says in the cloud's words why there is none. */
export async function consoleOf(compute: Pick<ComputeService, 'remoteConsole'>, server: string, types: readonly RemoteConsoleType[], signal: AbortSignal): Promise<RemoteConsole> {
  const reasons: string[] = [];
  for (const type of types) {
    try {
      return await compute.remoteConsole(server, type, signal);
    } catch (error) {
      // Which consoles there are is told by asking for them; all else would be said of each.
      if (!hasCode(error, 'InvalidRequest', 'ServiceFailed')) throw error;
      reasons.push(`${type}: ${messageOf(error)}`);
    }
  }
  throw new YadoError('NoConsole', `The cloud has no console for this server. ${[...new Set(reasons)].join('; ')}`, { disposition: 'stalled' });
}
