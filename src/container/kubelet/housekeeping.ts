import type { ContainerKiller } from './container-killer.ts';
import { mayRun, type ObservedContainer, type ObservedPod } from './observation.ts';
import type { PodEnder } from './pod-ender.ts';
import { logFolder, podFolder } from './pod-paths.ts';
import type { KubeletContext } from './port.ts';

export interface HousekeepingOptions {
  readonly context: KubeletContext;
  readonly killer: ContainerKiller;
  readonly ender: PodEnder;
}

/** Dead containers that are not the last of their name, sandboxes that no container needs, pods that nobody knows. */
export class Housekeeping {
  readonly #options: HousekeepingOptions;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  /** Removes what a pod has outlived; of each container the last that has ended stays, for its logs. */
  async tidy(observed: ObservedPod, signal: AbortSignal): Promise<void> {
    const { cri, files } = this.#options.context;
    for (const { id, name, restartCount } of outlived(observed)) {
      await cri.removeContainer(id, signal);
      const folder = logFolder(observed.uid, name);
      const logs = await files.list(folder, signal);
      for (const log of logs.filter((file) => file.startsWith(`${restartCount}.log`))) await files.remove(`${folder}/${log}`, signal);
      await files.remove(`${podFolder(observed.uid)}/containers/${name}/${restartCount}`, signal);
    }
    const used = new Set(observed.containers.map(({ sandbox }) => sandbox));
    for (const { id, ready } of observed.sandboxes.slice(1)) if (!ready && !used.has(id)) await cri.removeSandbox(id, signal);
  }

  /** Ends and removes what is left of a pod that the API does not know. */
  async bury(observed: ObservedPod, signal: AbortSignal): Promise<void> {
    const { killer, ender } = this.#options;
    if (mayRun(observed)) await killer.killOrphan(observed, signal);
    await ender.removeAll(observed.uid, observed, signal);
  }

  /** Pods that have left nothing but files. */
  async forgottenFolders(known: (podUid: string) => boolean, signal: AbortSignal): Promise<readonly string[]> {
    const names = await this.#options.context.files.list('', signal);
    return names.filter((name) => /^[0-9a-f-]{36}$/.test(name) && !known(name));
  }
}

/** Containers that have ended and are not the newest such of their name. */
export function outlived({ containers }: ObservedPod): readonly ObservedContainer[] {
  const kept = new Set<string>();
  return containers.filter(({ name, state }) => {
    if (state !== 'EXITED') return false;
    if (kept.has(name)) return true;
    kept.add(name);
    return false;
  });
}
