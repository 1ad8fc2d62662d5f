import { ANNOTATION_FENCED } from '../api/group.ts';
import type { Log } from '../base/log.ts';
import { missing } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { timestamp } from '../kube/conditions.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import { persistentVolumes, type PersistentVolume } from '../kube/storage.ts';
import type { Fenced } from './csi/controller.ts';

export interface FencingRecordOptions {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  /** Name of the CSI driver. */
  readonly driver: string;
  readonly log: Log;
}

/** Tells on PersistentVolumes of nodes that were kept from them. Rejects where that cannot be written: the volume must not move unseen. */
export class FencingRecord {
  readonly #options: FencingRecordOptions;

  constructor(options: FencingRecordOptions) {
    this.#options = options;
  }

  async write({ volume, node, atMs, how }: Fenced): Promise<void> {
    const { client, events, log } = this.#options;
    log.warn({ volume, fenced: node, how }, 'a node that did not let go of a volume was kept from it');
    const value = `${node} ${timestamp(atMs)} ${how}`;
    for (const found of await this.#volumes(volume)) {
      const { name, annotations = {} } = found.metadata;
      if (annotations[ANNOTATION_FENCED] !== value) await client.patch(persistentVolumes, { name }, { metadata: { annotations: { [ANNOTATION_FENCED]: value } } }).catch(missing);
      events.record(found, { type: 'Warning', reason: 'NodeFenced', message: `node ${node} had not let go of the volume, and cannot write to it any more: ${how}` });
    }
  }

  /** Of which there may be several, made by hand. */
  async #volumes(handle: string): Promise<readonly PersistentVolume[]> {
    const { client, driver } = this.#options;
    const { items } = await client.listAll(persistentVolumes);
    return items.filter(({ spec: { csi } }) => csi?.driver === driver && csi.volumeHandle === handle);
  }
}
