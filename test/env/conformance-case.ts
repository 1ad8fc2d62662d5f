import type { Pod } from '../../src/kube/core.ts';

export const IMAGE = 'localhost/yadokari/hello:1';

export type Fields = Readonly<Record<string, unknown>>;

/** What is known of a pod while it is waited for. */
export interface Seen {
  readonly pod: Pod;
  readonly status: PodView;
  /** Reasons of its events. */
  readonly events: readonly SeenEvent[];
}

export interface SeenEvent {
  readonly type: string;
  /** Part of the pod that it is about, or ''. */
  readonly fieldPath: string;
  readonly reason: string;
  readonly message: string;
}

/** core/v1's status, as much as conditions ask of it. */
export interface PodView {
  readonly phase?: string;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  readonly initContainerStatuses?: readonly ContainerView[];
  readonly containerStatuses?: readonly ContainerView[];
  readonly ephemeralContainerStatuses?: readonly ContainerView[];
}

export interface ContainerView {
  readonly name: string;
  readonly restartCount: number;
  readonly ready: boolean;
  readonly containerID?: string;
  readonly state?: { readonly waiting?: { readonly reason?: string }; readonly running?: object; readonly terminated?: object };
  readonly lastState?: { readonly terminated?: object };
}

export type Until = (seen: Seen) => boolean;

/** One pod that runs on a kubelet's node and on a virtual one. */
export interface ConformanceCase {
  readonly name: string;
  readonly spec: Fields;
  readonly metadata?: Fields;
  /** Holds when the pod has come to rest, or is where it is to be looked at. */
  readonly until: Until;
  /** Ephemeral container that is added then; waited for by `finally`. */
  readonly debug?: Fields;
  /** A change of the pod, by a strategic merge patch, and what to wait for after it. */
  readonly patch?: Fields;
  readonly finally?: Until;
  /** The pod is then deleted, and looked at when it goes. */
  readonly deleted?: true;
  /** Known differences: a path or a beginning of one, and why it differs. */
  readonly differs?: Readonly<Record<string, string>>;
}

/** A container of a shell script. */
export function sh(script: string, more: Fields = {}): Fields {
  return { name: 'c', image: IMAGE, imagePullPolicy: 'Never', command: ['sh', '-c', script], ...more };
}

/** A pod of containers that ends, unless `more` says otherwise. */
export function once(containers: Fields | readonly Fields[], more: Fields = {}): Fields {
  return { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers: Array.isArray(containers) ? containers : [containers], ...more };
}

/** A pod that goes on. */
export function always(containers: Fields | readonly Fields[], more: Fields = {}): Fields {
  return once(containers, { restartPolicy: 'Always', ...more });
}

/** Sleeps until it is told to end, and then ends at once. */
export const STAY = "trap 'exit 0' TERM; while :; do sleep 0.5; done";

export const ended: Until = ({ status: { phase } }) => phase === 'Succeeded' || phase === 'Failed';

export const ready: Until = ({ status }) => status.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') === true;

export function event(reason: string, message = ''): Until {
  return ({ events }) => events.some((candidate) => candidate.reason === reason && candidate.message.includes(message));
}

/** A container waits, for this reason. */
export function waiting(reason: string, name = 'c'): Until {
  return ({ status }) => containersOf(status).some((container) => container.name === name && container.state?.waiting?.reason === reason);
}

export function running(name = 'c'): Until {
  return ({ status }) => containersOf(status).some((container) => container.name === name && container.state?.running !== undefined);
}

export function terminated(name = 'c'): Until {
  return ({ status }) => containersOf(status).some((container) => container.name === name && container.state?.terminated !== undefined);
}

/** A container runs for the second time, or a later one. */
export function restarted(times = 1, name = 'c'): Until {
  return ({ status }) => containersOf(status).some((container) => container.name === name && container.restartCount >= times && container.state?.running !== undefined);
}

export function all(...conditions: readonly Until[]): Until {
  return (seen) => conditions.every((condition) => condition(seen));
}

export function containersOf({ initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] }: PodView): readonly ContainerView[] {
  return [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses];
}
