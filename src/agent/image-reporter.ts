import { createHash } from 'node:crypto';
import type { CompiledImage } from '../api/compiled-guest.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { isNotFound } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { timestamp } from '../kube/conditions.ts';
import { virtualMachineImages } from '../kube/yadokari.ts';

export interface ImageReporterOptions {
  readonly client: KubeClient;
  readonly node: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** How far an image is on this node. */
export interface ImageReport {
  readonly phase: 'Importing' | 'Imported' | 'Failed';
  readonly message?: string;
  readonly virtualSizeBytes?: number;
}

const LONGEST_MANAGER = 128;

/** Writes this node's entry of a VirtualMachineImage's status.nodes; only changes are written. No guest waits for it. */
export class ImageReporter {
  readonly #options: ImageReporterOptions;
  readonly #fieldManager: string;
  /** What was reported last, by namespace, name and key of the image. */
  readonly #written = new Map<string, string>();

  constructor(options: ImageReporterOptions) {
    this.#options = options;
    this.#fieldManager = fieldManagerOf(options.node);
  }

  report(namespace: string, image: CompiledImage, report: ImageReport, signal: AbortSignal): void {
    const id = `${namespace}/${image.name}/${image.key}`;
    const text = JSON.stringify(report);
    if (this.#written.get(id) === text) return;
    this.#written.set(id, text);
    this.#write(namespace, image.name, report, signal).catch((error: unknown) => {
      this.#written.delete(id);
      this.#options.log.debug({ image: image.name, error: messageOf(error) }, 'the state of an image was not reported');
    });
  }

  async #write(namespace: string, name: string, report: ImageReport, signal: AbortSignal): Promise<void> {
    const { client, node, clock } = this.#options;
    const entry = { name: node, ...report, time: timestamp(clock.now()) };
    try {
      await client.apply(virtualMachineImages, { metadata: { name, namespace }, status: { nodes: [entry] } }, { fieldManager: this.#fieldManager, subresource: 'status', signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

/** Each node applies its entry by a name of its own, of at most 128 characters. */
function fieldManagerOf(node: string): string {
  const name = `yadokari-agent.${node}`;
  return name.length <= LONGEST_MANAGER ? name : `yadokari-agent.${createHash('sha256').update(node).digest('hex')}`;
}
