import type { Hypervisor } from '../vm/port.ts';

interface OsInfo {
  readonly 'pretty-name'?: string;
  readonly name?: string;
  readonly 'version-id'?: string;
}

/** What runs in the guest, by its agent's guest-get-osinfo; undefined when the agent does not tell. */
export async function osNameOf(hypervisor: Hypervisor, id: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const info = (await hypervisor.agentCommand(id, 'guest-get-osinfo', undefined, signal)) as OsInfo;
    return info['pretty-name'] ?? info.name;
  } catch {
    // A guest without the command, or one that is just shutting down: not worth a word.
    return undefined;
  }
}
