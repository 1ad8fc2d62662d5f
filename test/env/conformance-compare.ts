import type { SeenEvent } from './conformance-case.ts';

/** What one node has made of a pod, without what has to differ. */
export interface Observation {
  readonly status: unknown;
  readonly events: readonly SeenEvent[];
  /** By container, and with `-previous` what it logged before its last restart. */
  readonly logs: Readonly<Record<string, string>>;
}

export interface Difference {
  /** Such as `status.containerStatuses.c.state.terminated.reason`, `events.Failed` or `logs.c`. */
  readonly path: string;
  readonly kubelet: string | undefined;
  readonly virtual: string | undefined;
}

/** Words that are one node's or one pod's alone, and what stands for them; the longer ones first. */
export type Names = readonly (readonly [string, string])[];

const TIMES = /^(?:startTime|lastTransitionTime|lastProbeTime|startedAt|finishedAt)$/;
/** What a kubelet on a busy host says of its own watch that is late, before it tries again; it is not about the pod. */
const LATE_CACHE = /failed to sync (?:configmap|secret) cache: timed out waiting for the condition/;
const KEYS = ['type', 'name', 'ip', 'mountPath', 'resourceName'] as const;

/** Names, times, durations and ids in a text become placeholders. */
export function withoutNames(text: string, names: Names): string {
  let result = text;
  for (const [word, placeholder] of names) result = result.replaceAll(new RegExp(`(?<![0-9])${escaped(word)}(?![0-9])`, 'g'), placeholder);
  return result
    .replaceAll(/\b[0-9a-f]{64}\b/g, '<id>')
    .replaceAll(/\bkube-api-access-[a-z0-9]{5}\b/g, 'kube-api-access-<x>')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, '<time>')
    .replaceAll(/\b\d+(?:\.\d+)?m?s\b/g, '<duration>')
    .replaceAll(/\bused: \S+, capacity: \S+/g, 'used: <n>, capacity: <n>')
    .replaceAll(/^options (.*)$/gm, (_, options: string) => `options ${options.split(' ').sort().join(' ')}`)
    .replaceAll(/(->127\.0\.0\.1:9|dial tcp) [0-9.]+:\d+->/g, '$1 <from>->');
}

export function normalised({ status, events, logs }: Observation, names: Names): ReadonlyMap<string, string> {
  const result = new Map<string, string>();
  flatten(status, 'status', (path, value) => result.set(path, withoutNames(value, names)));
  // How often it has ended by now is a matter of time.
  for (const [path, value] of result) if (value === 'CrashLoopBackOff' && path.endsWith('.state.waiting.reason')) result.delete(path.replace('.state.waiting.reason', '.restartCount'));
  const aboutThePod = events.filter(({ message }) => !LATE_CACHE.test(message));
  for (const reason of new Set(aboutThePod.map((event) => event.reason))) {
    const said = aboutThePod.filter((event) => event.reason === reason).map(({ type, fieldPath, message }) => `${type} ${fieldPath} ${withoutNames(message, names)}`);
    result.set(`events.${reason}`, [...new Set(said)].sort().join('\n'));
  }
  for (const [container, log] of Object.entries(logs)) result.set(`logs.${container}`, withoutNames(log, names));
  return result;
}

export function differences(kubelet: ReadonlyMap<string, string>, virtual: ReadonlyMap<string, string>): readonly Difference[] {
  const paths = [...new Set([...kubelet.keys(), ...virtual.keys()])].sort();
  return paths.map((path) => ({ path, kubelet: kubelet.get(path), virtual: virtual.get(path) })).filter((found) => found.kubelet !== found.virtual);
}

/** Leaves by their paths; members of lists by what they are called. */
function flatten(value: unknown, path: string, leaf: (path: string, value: string) => void): void {
  if (Array.isArray(value)) {
    for (const [index, member] of value.entries()) flatten(member, `${path}.${(keyOf(member) ?? String(index)).replace(/-[a-z0-9]{5}$/, '-<x>')}`, leaf);
  } else if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value);
    if (entries.length === 0) leaf(path, '{}');
    for (const [key, member] of entries) flatten(TIMES.test(key) ? typeof member === 'string' ? '<time>' : 'none' : member, `${path}.${key}`, leaf);
  } else leaf(path, String(value));
}

function keyOf(member: unknown): string | undefined {
  if (typeof member !== 'object' || member === null) return undefined;
  const named = member as Readonly<Record<string, unknown>>;
  const key = KEYS.find((candidate) => candidate !== 'ip' && typeof named[candidate] === 'string');
  return key === undefined ? undefined : String(named[key]);
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
