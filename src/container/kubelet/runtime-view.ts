import type { Cri, CriContainer, CriContainerState, CriContainerStatus, Sandbox } from '../cri.ts';
import type { PodFiles } from '../pod-files.ts';
import { containerName, notesOf, podOf } from './labels.ts';
import { lastWords } from './last-words.ts';
import type { PodMaterials } from './materials/port.ts';
import type { ObservedContainer, ObservedPod, ObservedSandbox } from './observation.ts';

interface Listed<T> {
  readonly id: string;
  readonly state: T;
  readonly createdAt: bigint;
}

interface ListedContainer extends Listed<CriContainerState> {
  readonly name: string;
  readonly sandbox: string;
}

interface ListedSandbox extends Listed<boolean> {
  readonly attempt: number;
}

interface ListedPod {
  readonly name: string;
  readonly namespace: string;
  readonly sandboxes: ListedSandbox[];
  readonly containers: ListedContainer[];
}

/** What does not change while a container stays in its state. */
type Details = Omit<ObservedContainer, 'sandbox' | 'name' | 'state'>;

export interface RuntimeViewOptions {
  readonly cri: Cri;
  readonly files: PodFiles;
  readonly materials: Pick<PodMaterials, 'terminationLogOf'>;
}

/** What the runtime has, by pod: listed as a whole, asked in detail only about what is new. */
export class RuntimeView {
  readonly #options: RuntimeViewOptions;
  readonly #details = new Map<string, Details>();
  readonly #addresses = new Map<string, string>();
  readonly #listeners = new Set<(podUid: string) => void>();
  #pods: ReadonlyMap<string, ListedPod> = new Map();
  #isKnown = false;
  #listing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(options: RuntimeViewOptions) {
    this.#options = options;
  }

  /** Calls the listener for each pod of which something has come, gone or changed its state. */
  onChange(listener: (podUid: string) => void): void {
    this.#listeners.add(listener);
  }

  /** Pods that the runtime had when it was last asked. */
  get uids(): Iterable<string> {
    return this.#pods.keys();
  }

  get containerIds(): ReadonlySet<string> {
    return new Set([...this.#pods.values()].flatMap(({ containers }) => containers.map(({ id }) => id)));
  }

  /** Whether it is known at all what the runtime has. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** Asks the runtime what it has; resolves with an answer that is no older than the call. */
  refresh(signal: AbortSignal): Promise<void> {
    if (this.#listing === undefined) {
      this.#listing = this.#list(signal).finally(() => void (this.#listing = undefined));
      return this.#listing;
    }
    this.#next ??= this.#listing.catch(() => {}).then(() => {
      this.#next = undefined;
      return this.refresh(signal);
    });
    return this.#next;
  }

  /** One pod as it is now. */
  async observe(uid: string, signal: AbortSignal): Promise<ObservedPod> {
    await this.refresh(signal);
    return this.known(uid, signal);
  }

  /** One pod as it was when the runtime was last asked. */
  async known(uid: string, signal: AbortSignal): Promise<ObservedPod> {
    const pod = this.#pods.get(uid);
    if (pod === undefined) return { uid, sandboxes: [], containers: [] };
    const [sandboxes, containers] = await Promise.all([
      Promise.all(pod.sandboxes.map((sandbox) => this.#sandbox(sandbox, signal))),
      Promise.all(pod.containers.map((container) => this.#container(uid, container, signal))),
    ]);
    return { uid, sandboxes, containers: containers.filter((container) => container !== undefined) };
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { cri } = this.#options;
    const [sandboxes, containers] = await Promise.all([cri.listSandboxes(signal), cri.listContainers(signal)]);
    const before = this.#pods;
    this.#pods = groupByPod(sandboxes, containers);
    this.#isKnown = true;
    this.#forgetAllBut(sandboxes, containers);
    for (const uid of new Set([...before.keys(), ...this.#pods.keys()])) {
      if (fingerprint(before.get(uid)) !== fingerprint(this.#pods.get(uid))) for (const listener of this.#listeners) listener(uid);
    }
  }

  #forgetAllBut(sandboxes: readonly Sandbox[], containers: readonly CriContainer[]): void {
    const details = new Set(containers.map(({ id, state }) => `${id} ${state}`));
    for (const key of this.#details.keys()) if (!details.has(key)) this.#details.delete(key);
    const ready = new Set(sandboxes.filter((sandbox) => sandbox.ready).map(({ id }) => id));
    for (const id of this.#addresses.keys()) if (!ready.has(id)) this.#addresses.delete(id);
  }

  async #sandbox({ id, state, attempt, createdAt }: ListedSandbox, signal: AbortSignal): Promise<ObservedSandbox> {
    if (!state) return { id, ready: false, attempt, createdAt, address: '' };
    let address = this.#addresses.get(id);
    if (address === undefined) {
      const status = await this.#options.cri.sandboxStatus(id, signal);
      if (status?.ready !== true) return { id, ready: false, attempt, createdAt, address: '' };
      address = status.address;
      if (address !== '') this.#addresses.set(id, address);
    }
    return { id, ready: true, attempt, createdAt, address };
  }

  async #container(uid: string, { id, name, sandbox, state }: ListedContainer, signal: AbortSignal): Promise<ObservedContainer | undefined> {
    const known = this.#details.get(`${id} ${state}`);
    if (known !== undefined) return { ...known, name, sandbox, state };
    const status = await this.#options.cri.containerStatus(id, signal);
    if (status === undefined) return undefined;
    const details = await this.#detailsOf(uid, name, status, signal);
    this.#details.set(`${id} ${status.state}`, details);
    return { ...details, name, sandbox, state: status.state };
  }

  async #detailsOf(uid: string, name: string, status: CriContainerStatus, signal: AbortSignal): Promise<Details> {
    const { files, materials } = this.#options;
    const { hash, restartCount, hasMessageFile, logsAreMessage } = notesOf(status.annotations);
    const { id, createdAt, exitCode, reason, image, imageRef, logPath, state } = status;
    let message = status.message;
    if (state === 'EXITED') {
      const messageFile = hasMessageFile ? materials.terminationLogOf(uid, name, restartCount) : undefined;
      const said = await lastWords(files, messageFile, logsAreMessage && exitCode !== 0 && reason !== 'ContainerCannotRun' ? logPath : undefined, signal);
      message = [message, said].filter((part) => part !== '').join(': ');
    }
    return { id, createdAt, exitCode, reason, message, image, imageRef, logPath, hash, restartCount, startedAtMs: millis(status.startedAt), finishedAtMs: millis(status.finishedAt) };
  }
}

function millis(nanoseconds: bigint): number {
  return Number(nanoseconds / 1_000_000n);
}

function groupByPod(sandboxes: readonly Sandbox[], containers: readonly CriContainer[]): ReadonlyMap<string, ListedPod> {
  const pods = new Map<string, ListedPod>();
  const podFor = (labels: Readonly<Record<string, string>>): ListedPod | undefined => {
    const owner = podOf(labels);
    if (owner === undefined) return undefined;
    const known = pods.get(owner.uid) ?? { name: owner.name, namespace: owner.namespace, sandboxes: [], containers: [] };
    pods.set(owner.uid, known);
    return known;
  };
  for (const { id, ready, createdAt, labels, metadata } of sandboxes) podFor(labels)?.sandboxes.push({ id, state: ready, createdAt, attempt: metadata.attempt });
  for (const { id, state, createdAt, labels, sandbox } of containers) podFor(labels)?.containers.push({ id, state, createdAt, sandbox, name: containerName(labels) });
  for (const pod of pods.values()) {
    pod.sandboxes.sort(newestFirst);
    pod.containers.sort(newestFirst);
  }
  return pods;
}

function newestFirst(one: { readonly createdAt: bigint }, other: { readonly createdAt: bigint }): number {
  return one.createdAt === other.createdAt ? 0 : one.createdAt > other.createdAt ? -1 : 1;
}

function fingerprint(pod: ListedPod | undefined): string {
  return pod === undefined ? '' : [...pod.sandboxes, ...pod.containers].map(({ id, state }) => `${id}=${String(state)}`).join(' ');
}
