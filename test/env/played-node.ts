import { setTimeout as delay } from 'node:timers/promises';
import { ANNOTATION_DISK_COPY, ANNOTATION_DISK_COPY_PROGRESS, CONDITION_DISK_COPIED, type DiskCopy, type DiskCopyProgress } from '../../src/api/disk-copies.ts';
import { FINALIZER_GUEST, LABEL_VIRTUAL_MACHINE } from '../../src/api/group.ts';
import { isConflict, isNotFound } from '../../src/kube/api-error.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { nodes, pods, type Pod } from '../../src/kube/core.ts';
import { isDeleting } from '../../src/kube/object.ts';
import { virtualMachines } from '../../src/kube/yadokari.ts';

const NODE = 'played';
const LOOK_MS = 50;
const signal = new AbortController().signal;

/** What scheduler, kubelet and agent of one node would do, where there is an API server alone: pods run, guests come up, disks are copied. */
export class PlayedNode implements AsyncDisposable {
  /** Copies that were made, in the order in which they ended. */
  readonly copies: DiskCopy[] = [];
  /** While it is true no copy ends. */
  holdsCopies = false;
  readonly #client: KubeClient;
  readonly #end = new AbortController();
  readonly #running: Promise<void>;

  private constructor(client: KubeClient) {
    this.#client = client;
    this.#running = this.#run();
  }

  static async start(client: KubeClient): Promise<PlayedNode> {
    await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE } });
    await client.patch(nodes, { name: NODE }, { status: { conditions: [{ type: 'Ready', status: 'True', reason: 'Played', message: 'as a test says', lastTransitionTime: new Date().toISOString() }] } }, { subresource: 'status' });
    return new PlayedNode(client);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#end.signal.aborted) {
      const { items } = await this.#client.listAll(pods);
      await Promise.all(items.map((pod) => this.#play(pod).catch((error: unknown) => {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      })));
      await delay(LOOK_MS);
    }
  }

  async #play(pod: Pod): Promise<void> {
    const ref = { name: pod.metadata.name, namespace: pod.metadata.namespace ?? '' };
    if (isDeleting(pod)) {
      if (pod.metadata.finalizers?.includes(FINALIZER_GUEST) === true) await this.#client.patch(pods, ref, { metadata: { finalizers: [] } });
      await this.#client.raw({ method: 'DELETE', path: `/api/v1/namespaces/${ref.namespace}/pods/${ref.name}?gracePeriodSeconds=0` });
    } else if (pod.spec.nodeName === undefined) {
      await this.#client.raw({ method: 'POST', path: `/api/v1/namespaces/${ref.namespace}/pods/${ref.name}/binding`, body: JSON.stringify({ apiVersion: 'v1', kind: 'Binding', metadata: { name: ref.name }, target: { apiVersion: 'v1', kind: 'Node', name: NODE } }) });
    } else if (pod.metadata.annotations?.[ANNOTATION_DISK_COPY] !== undefined) {
      await this.#copy(pod, JSON.parse(pod.metadata.annotations[ANNOTATION_DISK_COPY]) as DiskCopy);
    } else if (pod.metadata.labels?.[LABEL_VIRTUAL_MACHINE] !== undefined && pod.status?.phase !== 'Running') {
      await this.#boot(pod, pod.metadata.labels[LABEL_VIRTUAL_MACHINE]);
    }
  }

  async #copy({ metadata: { name, namespace = '' }, status }: Pod, copy: DiskCopy): Promise<void> {
    if (this.holdsCopies || status?.conditions?.some(({ type }) => type === CONDITION_DISK_COPIED) === true) return;
    const progress: DiskCopyProgress = { image: copy.image, phase: 'Verifying', offsetBytes: copy.sizeBytes, writtenBytes: 4 * 2 ** 20, digest: 'd'.repeat(64) };
    await this.#client.patch(pods, { name, namespace }, { metadata: { annotations: { [ANNOTATION_DISK_COPY_PROGRESS]: JSON.stringify(progress) } } });
    await this.#client.patch(pods, { name, namespace }, { status: { conditions: [{ type: CONDITION_DISK_COPIED, status: 'True', reason: 'Copied', message: 'as a test says' }] } }, { subresource: 'status', type: 'strategic' });
    this.copies.push(copy);
  }

  async #boot({ metadata: { name, namespace = '', uid = '' } }: Pod, machine: string): Promise<void> {
    await this.#client.patch(pods, { name, namespace }, { status: { phase: 'Running', podIP: '10.1.1.1', podIPs: [{ ip: '10.1.1.1' }], conditions: [{ type: 'Ready', status: 'True' }] } }, { subresource: 'status', type: 'strategic' });
    const guest = { phase: 'Running' as const, anchor: name, anchorUID: uid, node: NODE, startedAt: new Date().toISOString() };
    await this.#client.apply(virtualMachines, { metadata: { name: machine, namespace }, status: { guest } }, { fieldManager: 'played-agent', subresource: 'status', signal });
  }
}
