import type { Log } from '../base/log.ts';
import type { KubeClient } from '../kube/client.ts';
import { Informer } from '../kube/informer.ts';
import { isDeleting, metadataOf, type KubeObject } from '../kube/object.ts';
import { virtualMachines } from '../kube/yadokari.ts';
import type { MachineRef } from './machine-lookup.ts';

export interface StoppedMachinesOptions {
  readonly client: KubeClient;
  /** Called when one of them is being deleted. */
  readonly onGoing: () => void;
  readonly log: Log;
}

/**
 * Watches machines that are stopped and have disks on this node, each by its name: the API server tells such a watch of
 * that object alone, and little happens to a stopped machine but its start and its deletion.
 */
export class StoppedMachines implements Disposable {
  readonly #options: StoppedMachinesOptions;
  readonly #watched = new Map<string, Informer<KubeObject>>();

  constructor(options: StoppedMachinesOptions) {
    this.#options = options;
  }

  /** Watches these and no others. */
  follow(machines: readonly MachineRef[]): void {
    const wanted = new Map(machines.map((machine) => [machine.uid, machine]));
    for (const [uid, informer] of this.#watched) {
      if (wanted.has(uid)) continue;
      this.#watched.delete(uid);
      void informer[Symbol.asyncDispose]();
    }
    for (const [uid, machine] of wanted) if (!this.#watched.has(uid)) this.#watched.set(uid, this.#watch(machine));
  }

  [Symbol.dispose](): void {
    this.follow([]);
  }

  #watch({ namespace, name, uid }: MachineRef): Informer<KubeObject> {
    const { client, onGoing, log } = this.#options;
    const informer = new Informer<KubeObject>(client, metadataOf(virtualMachines), { namespace, fieldSelector: `metadata.name=${name}`, log });
    informer.onChange(({ type, object }) => void ((type === 'deleted' || isDeleting(object) || object.metadata.uid !== uid) && onGoing()));
    // It may have gone between the last question and the watch.
    informer.waitForSync().then(() => void (informer.list().length === 0 && onGoing()), () => {});
    informer.start();
    return informer;
  }
}
