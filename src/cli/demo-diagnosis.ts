import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { events, type Condition, type Event } from '../kube/core.ts';
import type { KubeObject } from '../kube/object.ts';

export interface Suspect extends KubeObject {
  readonly status?: { readonly node?: string; readonly conditions?: readonly Condition[] };
}

export interface DiagnosisOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** What is not as it should be. */
  readonly suspects: readonly Suspect[];
  /** Folder of the components' logs. */
  readonly logs: string;
  readonly signal: AbortSignal;
}

const eventsShown = 8;
const logLinesShown = 6;
const tailBytes = 256 * 1024;

/** Why something is not Ready: its conditions, the latest events on it and on its pod, and what the components in question complain about. Never throws. */
export async function diagnose(options: DiagnosisOptions): Promise<string> {
  const { client, namespace, suspects, logs, signal } = options;
  const found = await client.list(events, { namespace, signal }).then(({ items }) => items, (error: unknown) => messageOf(error));
  const about = suspects.flatMap((suspect) => [
    `${suspect.kind} ${suspect.metadata.name}:`,
    ...indented(conditionLines(suspect.status?.conditions ?? []), 'no conditions yet'),
    ...indented(typeof found === 'string' ? [`events cannot be read: ${found}`] : eventLines(found, suspect.metadata.name), 'no events'),
  ]);
  const components = componentsBehind(suspects);
  const complaints = await Promise.all(components.map(async (name) => {
    const text = await readFile(join(logs, `${name}.log`), 'utf8').catch(() => '');
    return [`${join(logs, `${name}.log`)}:`, ...indented(complaintsIn(text.slice(-tailBytes), logLinesShown), 'no complaints')];
  }));
  return [...about, ...complaints.flat()].join('\n');
}

function indented(lines: readonly string[], otherwise: string): readonly string[] {
  return (lines.length === 0 ? [otherwise] : lines).map((line) => `  ${line}`);
}

export function conditionLines(conditions: readonly Condition[]): readonly string[] {
  return conditions.map(({ type, status, reason, message }) => `${type}=${status}${reason === undefined || reason === '' ? '' : ` ${reason}`}${message === undefined || message === '' ? '' : `: ${message}`}`);
}

/** The latest events on an object and on the pods that are named after it. */
export function eventLines(all: readonly Event[], name: string): readonly string[] {
  const own = all.flatMap((event) => {
    const regarding = (event['regarding'] as { readonly name?: string } | undefined)?.name ?? '';
    return regarding === name || regarding.startsWith(`${name}-`) ? [{ at: event.metadata.creationTimestamp ?? '', text: `${String(event['type'])} ${String(event['reason'])}: ${String(event['note'])}` }] : [];
  });
  return own.sort((a, b) => a.at.localeCompare(b.at)).slice(-eventsShown).map(({ at, text }) => `${at.slice(11, 19)} ${text}`);
}

/** Logs to look into: the operator's or the scheduler's, and those of the nodes the suspects are on. */
export function componentsBehind(suspects: readonly Suspect[]): readonly string[] {
  const nodes = [...new Set(suspects.flatMap(({ status }) => (status?.node === undefined || status.node === '' ? [] : [status.node])))];
  const unplaced = suspects.some(({ status }) => status?.node === undefined || status.node === '');
  return ['operator', ...(unplaced ? ['kube-scheduler'] : []), ...nodes.flatMap((node) => ['agent', 'kubelet', 'libvirtd'].map((name) => `${node}/${name}`))];
}

/** The last warnings and errors of a log: pino's JSON, klog's lettered lines, libvirt's words, and stack-free lines of anything else. */
export function complaintsIn(text: string, count: number): readonly string[] {
  return text.split('\n').flatMap((line) => {
    if (line.startsWith('{')) return complaintOfJson(line);
    return /^[WEF]\d{4} |\b(warning|error|fatal|panic)\b/i.test(line) ? [line.slice(0, 400)] : [];
  }).slice(-count);
}

function complaintOfJson(line: string): readonly string[] {
  try {
    const { level, time, msg, err, error } = JSON.parse(line) as { readonly level?: number; readonly time?: string; readonly msg?: string; readonly err?: { readonly message?: string }; readonly error?: unknown };
    if ((level ?? 0) < 40) return [];
    const cause = err?.message ?? (typeof error === 'string' ? error : '');
    return [`${(time ?? '').slice(11, 19)} ${msg ?? ''}${cause === '' ? '' : `: ${cause}`}`];
  } catch {
    return [];
  }
}
