import type { ContainerKiller } from './container-killer.ts';
import type { PodMaterials } from './materials/port.ts';
import { mayRun, type ObservedPod } from './observation.ts';
import type { PodManifest } from './pod.ts';
import { logFolder, volumesFolder } from './pod-paths.ts';
import type { KubeletContext } from './port.ts';

export interface PodEnderOptions {
  readonly context: KubeletContext;
  readonly materials: PodMaterials;
  readonly killer: ContainerKiller;
}

/** Takes away what a pod leaves behind. Everything may be repeated. */
export class PodEnder {
  readonly #options: PodEnderOptions;

  constructor(options: PodEnderOptions) {
    this.#options = options;
  }

  /** Ends what runs, within the pod's grace period. */
  async stop(pod: PodManifest, observed: ObservedPod, signal: AbortSignal): Promise<void> {
    if (mayRun(observed)) await this.#options.killer.killPod(pod, observed, signal);
  }

  /** What a pod that has ended needs no more; its containers and their logs stay to be read. */
  async release({ metadata: { uid = '' } }: PodManifest, signal: AbortSignal): Promise<void> {
    const { context: { files, addresses } } = this.#options;
    await files.remove(volumesFolder(uid), signal);
    await addresses.release(uid, signal);
  }

  /** What a pod that was driven out would go on taking up: its containers too, and what they have said. */
  async clear({ metadata: { uid = '' } }: PodManifest, { containers }: ObservedPod, signal: AbortSignal): Promise<void> {
    const { files, cri } = this.#options.context;
    for (const { id } of containers) await cri.removeContainer(id, signal);
    await files.remove(logFolder(uid), signal);
  }

  /** Everything: containers, sandboxes, files, address. */
  async removeAll(podUid: string, observed: ObservedPod, signal: AbortSignal): Promise<void> {
    const { context: { cri, addresses }, materials } = this.#options;
    for (const { id } of observed.containers) await cri.removeContainer(id, signal);
    for (const { id } of observed.sandboxes) {
      await cri.stopSandbox(id, signal);
      await cri.removeSandbox(id, signal);
    }
    await materials.removeVolumes(podUid, signal);
    await addresses.release(podUid, signal);
    materials.forget(podUid);
  }
}
