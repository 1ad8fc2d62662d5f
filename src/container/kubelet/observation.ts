import type { CriContainerState } from '../cri.ts';

/** A container as the runtime has it, with what its labels and annotations say. */
export interface ObservedContainer {
  readonly id: string;
  readonly sandbox: string;
  readonly name: string;
  readonly state: CriContainerState;
  /** Nanoseconds since the epoch. */
  readonly createdAt: bigint;
  /** Milliseconds since the epoch; 0 where there is none, as in the following. */
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly exitCode: number;
  readonly reason: string;
  /** The runtime's message and the container's own last words. */
  readonly message: string;
  readonly image: string;
  readonly imageRef: string;
  /** Of the definition that it was made from; see definitionHash. */
  readonly hash: string;
  readonly restartCount: number;
  /** On the runtime's machine. */
  readonly logPath: string;
}

export interface ObservedSandbox {
  readonly id: string;
  readonly ready: boolean;
  readonly attempt: number;
  readonly createdAt: bigint;
  /** Empty when it has none, or when it is not ready. */
  readonly address: string;
}

/** What the runtime has of one pod; sandboxes and containers each with the newest first. */
export interface ObservedPod {
  readonly uid: string;
  readonly sandboxes: readonly ObservedSandbox[];
  readonly containers: readonly ObservedContainer[];
}

/** The last container of that name. */
export function newestOf(observed: ObservedPod, name: string): ObservedContainer | undefined {
  return observed.containers.find((container) => container.name === name);
}

/** The sandbox that containers may be started in; undefined when another one is needed. */
export function usableSandbox({ sandboxes }: ObservedPod): ObservedSandbox | undefined {
  const [newest] = sandboxes;
  const ready = sandboxes.filter((sandbox) => sandbox.ready);
  return newest !== undefined && newest.ready && ready.length === 1 && newest.address !== '' ? newest : undefined;
}

/** Whether anything of the pod still runs, or might. */
export function mayRun({ sandboxes, containers }: ObservedPod): boolean {
  return sandboxes.some(({ ready }) => ready) || containers.some(({ state }) => state === 'RUNNING' || state === 'UNKNOWN');
}
