import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from '../../src/kube/client.ts';
import { conditionOf } from '../../src/kube/conditions.ts';
import { nodes, pods, services, type Node, type Pod } from '../../src/kube/core.ts';
import { Informer } from '../../src/kube/informer.ts';
import { defineResource, type KubeObject } from '../../src/kube/object.ts';
import { containersOf, ended, type ConformanceCase, type PodView, type Seen, type SeenEvent, type Until } from './conformance-case.ts';
import type { Names, Observation } from './conformance-compare.ts';

interface CoreEvent extends KubeObject {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly involvedObject: { readonly uid?: string; readonly fieldPath?: string };
}

const events = defineResource<CoreEvent>('v1', 'Event', 'events');
/** In which what belongs to the last change is written. */
const SETTLE_MS = 1500;
const POLL_MS = 200;
const GONE_MS = 60_000;
const NOTHING: Seen = { pod: { apiVersion: 'v1', kind: 'Pod', metadata: { name: '' }, spec: { containers: [] } }, status: {}, events: [] };
/** The container that it asks for is no more. */
const FORGOTTEN = /^unable to retrieve container logs/;

/** One of the nodes that are compared, with a namespace of its own for its pods. */
export class ConformanceNode implements AsyncDisposable {
  readonly namespace: string;
  readonly #node: Node;
  readonly #services: Names;
  readonly #client: KubeClient;
  readonly #pods: Informer<Pod>;
  readonly #events: Informer<CoreEvent>;
  readonly #gone = new Map<string, Pod>();

  private constructor(client: KubeClient, node: Node, namespace: string, serviceNames: Names) {
    this.namespace = namespace;
    this.#client = client;
    this.#node = node;
    this.#services = serviceNames;
    this.#pods = new Informer(client, pods, { namespace });
    this.#events = new Informer(client, events, { namespace });
    this.#pods.onChange(({ type, object }) => {
      if (type === 'deleted') this.#gone.set(object.metadata.uid ?? '', object);
    });
  }

  static async open(client: KubeClient, name: string, namespace: string): Promise<ConformanceNode> {
    const [node, found] = await Promise.all([client.get(nodes, { name }), client.listAll(services, { namespace })]);
    const names = found.items.flatMap(({ metadata, spec }): Names => (spec.clusterIP === undefined || spec.clusterIP === 'None' ? [] : [[spec.clusterIP, `<address of ${metadata.name}>`]]));
    const opened = new ConformanceNode(client, node, namespace, names);
    for (const informer of [opened.#pods, opened.#events]) informer.start();
    await Promise.all([opened.#pods, opened.#events].map((informer) => informer.waitForSync(AbortSignal.timeout(20_000))));
    return opened;
  }

  /** Runs the pod until it is where it is to be looked at, and removes it. Throws when it does not get there in time. */
  async observe(one: ConformanceCase, deadlineMs: number): Promise<{ readonly observation: Observation; readonly names: Names }> {
    const { name, spec, metadata, until } = one;
    const ref = { name, namespace: this.namespace };
    const pod = await this.#client.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, ...ref }, spec: { ...spec, nodeName: this.#node.metadata.name } as unknown as Pod['spec'] });
    try {
      await this.#wait(pod, until, deadlineMs);
      await this.#change(one, pod, deadlineMs);
      // What goes on to change is looked at now, what has ended when it has come to rest.
      const goesOn = one.deleted !== true && !ended(this.#seen(pod) ?? NOTHING);
      const [passing, said] = [this.#seen(pod)?.status ?? {}, goesOn || one.deleted === true ? this.#logs(pod, one.deleted === true) : undefined];
      if (one.deleted === true) await this.#delete(pod);
      await sleep(SETTLE_MS);
      const status = goesOn ? passing : this.#seen(pod)?.status ?? {};
      const logs = await (said ?? this.#logs(pod, false));
      return { observation: { status, events: this.#eventsOf(pod), logs }, names: this.#names(pod, status) };
    } finally {
      await this.#client.delete(pods, ref, { gracePeriodSeconds: 1 }).catch(() => {});
    }
  }

  /** Resolves when there is no pod of the name any more. */
  async removed({ name }: ConformanceCase): Promise<void> {
    for (const deadline = Date.now() + GONE_MS; this.#pods.get(`${this.namespace}/${name}`) !== undefined; await sleep(POLL_MS)) {
      if (Date.now() > deadline) throw new Error(`${name} on ${this.#node.metadata.name} does not go`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#pods, this.#events].map((informer) => informer[Symbol.asyncDispose]()));
  }

  async #change({ name, debug, patch, finally: last }: ConformanceCase, pod: Pod, deadlineMs: number): Promise<void> {
    const ref = { name, namespace: this.namespace };
    if (debug !== undefined) await this.#client.patch(pods, ref, { spec: { ephemeralContainers: [debug] } }, { subresource: 'ephemeralcontainers', type: 'strategic' });
    if (patch !== undefined) await this.#client.patch(pods, ref, patch, { type: 'strategic' });
    if (last !== undefined) await this.#wait(pod, last, deadlineMs);
  }

  async #wait(pod: Pod, until: Until, deadlineMs: number): Promise<void> {
    for (const deadline = Date.now() + deadlineMs; ;) {
      const seen = this.#seen(pod);
      if (seen !== undefined && until(seen)) return;
      if (Date.now() > deadline) throw new Error(`${pod.metadata.name} on ${this.#node.metadata.name} is not there after ${deadlineMs} ms: ${JSON.stringify(seen?.status)} ${JSON.stringify(seen?.events)}`);
      await sleep(POLL_MS);
    }
  }

  async #delete(pod: Pod): Promise<void> {
    await sleep(SETTLE_MS);
    await this.#client.delete(pods, { name: pod.metadata.name, namespace: this.namespace });
    for (const deadline = Date.now() + GONE_MS; !this.#gone.has(pod.metadata.uid ?? ''); await sleep(POLL_MS)) {
      if (Date.now() > deadline) throw new Error(`${pod.metadata.name} on ${this.#node.metadata.name} does not go`);
    }
  }

  #seen({ metadata: { uid = '', name } }: Pod): Seen | undefined {
    const pod = this.#gone.get(uid) ?? this.#pods.get(`${this.namespace}/${name}`);
    return pod?.metadata.uid === uid ? { pod, status: pod.status ?? {}, events: this.#eventsOf(pod) } : undefined;
  }

  #eventsOf({ metadata: { uid } }: Pod): readonly SeenEvent[] {
    return this.#events.list().filter(({ involvedObject }) => involvedObject.uid === uid).map(({ type, reason, message, involvedObject: { fieldPath = '' } }) => ({ type, reason, message, fieldPath }));
  }

  async #logs(pod: Pod, follow: boolean): Promise<Readonly<Record<string, string>>> {
    const found = containersOf(this.#seen(pod)?.status ?? {}).filter(({ containerID, state }) => containerID !== undefined || state?.terminated !== undefined || state?.running !== undefined);
    const wanted = found.flatMap(({ name, lastState }) => [[name, ''], ...(lastState?.terminated === undefined ? [] : [[`${name}-previous`, '&previous=true']])] as const);
    const all = await Promise.all(wanted.map(async ([name, query]) => {
      const path = `/api/v1/namespaces/${this.namespace}/pods/${pod.metadata.name}/log?container=${name.replace(/-previous$/, '')}${query}${follow ? '&follow=true' : ''}`;
      return [name, await this.#client.raw({ method: 'GET', path }).catch((error: unknown) => String(error))] as const;
    }));
    return Object.fromEntries(all.filter(([, log]) => !FORGOTTEN.test(log)));
  }

  #names({ metadata: { uid = '' } }: Pod, status: PodView): Names {
    const { podIP = '', hostIP = '' } = status as { readonly podIP?: string; readonly hostIP?: string };
    const { name } = this.#node.metadata;
    const { cpu = '', memory = '' } = this.#node.status?.allocatable ?? {};
    const bytes = memory.endsWith('Ki') ? String(Number(memory.slice(0, -2)) * 1024) : memory;
    const found: (readonly [string, string])[] = [
      [uid, '<uid>'], [uid.replaceAll('-', '_'), '<uid>'], [`${this.namespace}.svc`, '<namespace>.svc'], [name, '<node>'], [this.namespace, '<namespace>'], [podIP, '<address>'], [hostIP, '<host>'], [bytes, '<memory>'],
      [String(Number(cpu) * 1000), '<millicpu>'], ...this.#services,
    ];
    return found.filter(([word]) => word !== '').sort(([one], [other]) => other.length - one.length);
  }
}

/** Whether the Node takes pods. */
export function isReady(node: Node): boolean {
  return conditionOf(node.status?.conditions, 'Ready')?.status === 'True';
}
