import type { OpenStackApi } from '../api.ts';
import { LocalError } from '../../errors.ts';
import type { Named } from './named.ts';
import { eventually } from './waiting-for.ts';

interface ServerState extends Named {
  readonly status: string;
  readonly fault?: { readonly message: string };
}

/** The id of a new server, which is not there yet. */
export async function requestServer(api: OpenStackApi, server: Readonly<Record<string, unknown>>, hints?: object): Promise<string> {
  return (await api.post<{ readonly server: Named }>('compute', '/servers', { server, ...(hints === undefined ? {} : { 'os:scheduler_hints': hints }) })).server.id;
}

/** Resolves when the server has that status. Throws LocalError `SeedFailed` when it fails instead. */
export async function serverBecomes(api: OpenStackApi, id: string, wanted: string): Promise<void> {
  await eventually(`server ${id} is ${wanted}`, async () => {
    const { server } = await api.get<{ readonly server: ServerState }>('compute', `/servers/${id}`);
    if (server.status === 'ERROR') throw new LocalError('SeedFailed', `Nova could not make ${server.name}: ${server.fault?.message ?? 'it does not say why'}`);
    return server.status === wanted ? true : undefined;
  });
}

export function act(api: OpenStackApi, id: string, action: object): Promise<unknown> {
  return api.post('compute', `/servers/${id}/action`, action);
}
