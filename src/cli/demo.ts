import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, YadoError } from '../base/errors.ts';
import type { Progress } from '../base/progress.ts';
import { isRefused, missing } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { conditionOf } from '../kube/conditions.ts';
import { persistentVolumeClaims, type Condition } from '../kube/core.ts';
import type { KubeObject, Resource } from '../kube/object.ts';
import { virtualMachineImages, virtualMachines, yadoPods } from '../kube/yadokari.ts';
import { diagnose } from './demo-diagnosis.ts';

export interface DemoOptions {
  readonly client: KubeClient;
  /** The example: images, virtual machines, pods. */
  readonly objects: readonly KubeObject[];
  /** Nodes to spread the workloads over, in turn; none: the scheduler chooses. */
  readonly nodes: readonly string[];
  /** Folder of the components' logs; looked into when something fails. */
  readonly logs: string;
  /** How long the workloads may take to be Ready, in milliseconds. Default 180 000. */
  readonly readyMs?: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** What is shown of a workload. */
export interface Workload extends KubeObject {
  readonly status?: { readonly address?: string; readonly node?: string; readonly printableStatus?: string; readonly phase?: string; readonly conditions?: readonly Condition[] };
}

/** A demo did not come true; the message says what was seen last. */
export class DemoFailedError extends YadoError {
  constructor(message: string) {
    super('DemoFailed', message, { disposition: 'stalled' });
  }
}

export const DEMO_NAMESPACE = 'default';
const FETCH_MS = 60_000;
const HEADING = ['NAME', 'KIND', 'STATUS', 'NODE', 'ADDRESS', 'READY'];
const KINDS: Readonly<Record<string, Resource<Workload>>> = {
  VirtualMachine: virtualMachines,
  Pod: yadoPods,
  VirtualMachineImage: virtualMachineImages,
  PersistentVolumeClaim: persistentVolumeClaims,
};
/** What has an address and serves pages. */
const WORKLOADS = new Set(['VirtualMachine', 'Pod']);

/** Applies an example, waits until its workloads are Ready, and lets each fetch a page from every other. */
export class Demo {
  readonly #options: DemoOptions;
  readonly #workloads: readonly KubeObject[];

  constructor(options: DemoOptions) {
    this.#options = options;
    this.#workloads = options.objects.filter(({ kind }) => WORKLOADS.has(kind));
  }

  async apply(): Promise<void> {
    const { objects, progress, signal } = this.#options;
    for (const object of objects) {
      const placed = this.#placed(object);
      await this.#applyOne(placed).catch(async (error: unknown) => {
        // The spec of a Pod is fixed: one that an earlier demo left may have another, or another node.
        if (placed.kind !== 'Pod' || !isRefused(error)) throw error;
        await this.#removeOne(placed);
        await this.#applyOne(placed);
      });
    }
    await progress.step(`Waiting for ${this.#workloads.map(titleOf).join(' and ')}`, async (step) => {
      const readyMs = this.#options.readyMs ?? 180_000;
      const deadline = Date.now() + readyMs;
      for (;;) {
        const pending = (await this.#read()).filter((workload) => readyOf(workload)?.status !== 'True');
        if (pending.length === 0) return;
        const state = pending.map((workload) => `${workload.metadata.name}: ${stateOf(workload)}`).join('; ');
        if (Date.now() > deadline) throw await this.#failure(`not Ready within ${Math.round(readyMs / 1000)} s: ${state}`, pending);
        step.update(state);
        await delay(250, undefined, { signal });
      }
    });
  }

  /**
   * Rows of a table: each workload and what it fetched. Throws DemoFailedError when one could not, or saw a false address.
   * What is Ready may be a memory of the cluster's earlier life, with an address that a new sandbox does not keep: so all is read anew at each try.
   */
  async check(): Promise<readonly (readonly string[])[]> {
    const { nodes, progress, signal } = this.#options;
    return progress.step('Letting each fetch a page from the other', async (step) => {
      for (const deadline = Date.now() + FETCH_MS; ;) {
        const workloads = await this.#read();
        const results = await Promise.all(workloads.map((from) => this.#rowOf(from, workloads)));
        const failures = results.filter((result) => typeof result === 'string');
        if (failures.length === 0 && nodes.length > 1 && new Set(workloads.map(({ status }) => status?.node)).size < 2) throw await this.#failure('the workloads are not on different nodes', workloads);
        if (failures.length === 0) return [[...HEADING, workloads.length > 2 ? 'FETCHED FROM EACH OTHER' : 'FETCHED FROM THE OTHER'], ...results.filter((result) => typeof result !== 'string')];
        if (Date.now() > deadline) throw await this.#failure(failures.join('; '), workloads);
        step.update(failures[0] ?? '');
        await delay(500, undefined, { signal });
      }
    });
  }

  /** The workloads as they are now. */
  workloads(): Promise<readonly Workload[]> {
    return this.#read();
  }

  /** A workload's row, or why it has none. */
  async #rowOf(from: Workload, workloads: readonly Workload[]): Promise<readonly string[] | string> {
    const pages: string[] = [];
    for (const to of workloads.filter((other) => other !== from)) {
      const [asker, asked] = [from.status?.address ?? '', to.status?.address ?? ''];
      if (asker === '' || asked === '') return `${titleOf(asker === '' ? from : to)} has no address`;
      const page = (await get(`http://${asker}/cgi-bin/fetch?${asked}`).catch((error: unknown) => messageOf(error))).trim();
      // The page names the one who asked: any other address would be a translated one.
      if (!page.endsWith(`You are ${asker}.`)) return `${titleOf(from)} at ${asker} does not get its page from ${titleOf(to)} at ${asked}: ${page === '' ? 'no answer' : page}`;
      pages.push(page);
    }
    if (readyOf(from)?.status !== 'True') return `${titleOf(from)} is not Ready: ${stateOf(from)}`;
    const { status } = from;
    return [from.metadata.name, from.kind, status?.printableStatus ?? status?.phase ?? '', status?.node ?? '', status?.address ?? '', 'True', summaryOf(pages)];
  }

  /** Removes the example's objects and waits until they are gone. */
  async remove(): Promise<void> {
    for (const object of this.#options.objects.toReversed()) await this.#removeOne(object);
  }

  async #applyOne({ kind, apiVersion: _version, ...rest }: KubeObject): Promise<void> {
    const { client, signal } = this.#options;
    await client.apply(resourceOf(kind), { ...rest, metadata: { ...rest.metadata, namespace: DEMO_NAMESPACE } }, { fieldManager: 'yado', signal });
  }

  async #removeOne({ kind, metadata: { name } }: KubeObject): Promise<void> {
    const { client, signal } = this.#options;
    const ref = { name, namespace: DEMO_NAMESPACE };
    await client.delete(resourceOf(kind), ref, { signal }).catch(missing);
    while (await client.get(resourceOf(kind), ref, signal).then(() => true, missing)) await delay(100, undefined, { signal });
  }

  async #failure(what: string, suspects: readonly Workload[]): Promise<DemoFailedError> {
    const { client, logs, signal } = this.#options;
    return new DemoFailedError(`${what}\n${await diagnose({ client, namespace: DEMO_NAMESPACE, suspects, logs, signal })}\nAll logs are in ${logs}.`);
  }

  #read(): Promise<readonly Workload[]> {
    const { client, signal } = this.#options;
    return Promise.all(this.#workloads.map(({ kind, metadata: { name } }) => client.get(resourceOf(kind), { name, namespace: DEMO_NAMESPACE }, signal)));
  }

  /** The object with a node of its own, when there are several. */
  #placed(object: KubeObject): KubeObject {
    const { nodes } = this.#options;
    const index = this.#workloads.filter((workload) => !isInMachine(workload)).indexOf(object);
    if (index < 0 || nodes.length === 0) return object;
    const { spec } = object as KubeObject & { readonly spec: object };
    return { ...object, spec: { ...spec, nodeSelector: { 'kubernetes.io/hostname': nodes[index % nodes.length] } } } as KubeObject;
  }
}

/** One page as it is; of several, whose they are. */
function summaryOf(pages: readonly string[]): string {
  const names = pages.map((page) => /from (?:virtual machine|container) (\S+)\./.exec(page)?.[1] ?? page);
  return pages.length === 1 ? pages[0] ?? '' : `${names.join(', ')}: each saw this address`;
}

/** Its place is another workload's guest. */
export function isInMachine(workload: KubeObject): boolean {
  const { spec } = workload as KubeObject & { readonly spec?: { readonly placement?: { readonly virtualMachine?: unknown } } };
  return spec?.placement?.virtualMachine !== undefined;
}

/** Throws DemoFailedError where an example has what no demo shows. */
export function requireShowable(objects: readonly KubeObject[]): void {
  for (const { kind } of objects) resourceOf(kind);
}

function resourceOf(kind: string): Resource<Workload> {
  const resource = KINDS[kind];
  if (resource === undefined) throw new DemoFailedError(`an example holds no ${kind}; there are ${Object.keys(KINDS).join(', ')}`);
  return resource;
}

function readyOf({ status }: Workload): Condition | undefined {
  return conditionOf(status?.conditions, 'Ready');
}

function stateOf(workload: Workload): string {
  const message = readyOf(workload)?.message;
  return message === undefined || message === '' ? (workload.status?.printableStatus ?? workload.status?.phase ?? 'Pending') : message;
}

function titleOf({ kind, metadata }: KubeObject): string {
  return `${kind === 'VirtualMachine' ? 'virtual machine' : 'pod'} ${metadata.name}`;
}

/** A page of a workload. */
export function get(url: string, timeoutMs = 8000): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const request = http.get(url, { agent: false, timeout: timeoutMs }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => void (text += chunk)).on('end', () => resolve(text)).on('error', reject);
  });
  request.on('error', reject).on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
  return promise;
}
