import { ANNOTATION_CHECK, API_VERSION } from '../api/group.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { timestamp } from '../kube/conditions.ts';
import { Informer } from '../kube/informer.ts';
import { storageBackends, type StorageBackend } from '../kube/yadokari.ts';
import { leftoversOf, leftoversOn, type LeftoversOptions } from './leftovers.ts';
import type { NodeVolumes } from './port.ts';

export interface StorageCheckOptions extends LeftoversOptions {
  /** Name of the StorageBackend. */
  readonly name: string;
  /** Of this node; absent where no volume is attached. */
  readonly node?: { readonly name: string; readonly volumes: NodeVolumes };
  /** Looks at the backend itself as well: one of all drivers does. */
  readonly wide: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is under way is over after these. */
const LOOKS = 6;
const LOOK_MS = 2000;
const MOST = 100;

/** Looks for what nobody needs each time when the StorageBackend asks for it, and answers in its status. */
export async function answerChecks(options: StorageCheckOptions, signal: AbortSignal): Promise<void> {
  const { client, name, log, clock } = options;
  await using backends = new Informer(client, storageBackends, { fieldSelector: `metadata.name=${name}`, log, clock });
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => stop(), { once: true });
  let answered = '';
  let last = Promise.resolve();
  backends.onChange(({ object }) => {
    const request = requestOf(object);
    if (request === undefined || request === answered) return;
    answered = request;
    last = last.then(() => answer(options, request, signal)).catch((error: unknown) => {
      answered = '';
      if (!signal.aborted) log.warn({ error: messageOf(error) }, 'what was looked for cannot be told');
    });
  });
  backends.start();
  if (!signal.aborted) await stopped;
  await last;
}

function requestOf({ metadata: { annotations } }: StorageBackend): string | undefined {
  return annotations?.[ANNOTATION_CHECK];
}

async function answer(options: StorageCheckOptions, request: string, signal: AbortSignal): Promise<void> {
  const { client, name, driver, backend, node, wide, clock } = options;
  // Where each node has a backend of its own, each looks at that.
  const isOwn = backend.features.topology !== undefined;
  const looks: [string, (one: AbortSignal) => Promise<readonly string[]>][] = [];
  if (wide && !isOwn) looks.push(['', (one) => leftoversOf(options, one)]);
  if (node !== undefined) looks.push([node.name, async (one) => [...(isOwn ? await leftoversOf(options, one) : []), ...await leftoversOn(node.name, node.volumes, options, one)]]);
  for (const [where, look] of looks) {
    const findings = await lasting(look, clock, signal);
    const status = { checks: [{ driver, node: where, request, findings: findings.slice(0, MOST), time: timestamp(clock.now()) }] };
    await client.apply(storageBackends, { apiVersion: API_VERSION, metadata: { name }, status }, { fieldManager: `yadokari-check-${driver}-${where}`, subresource: 'status', signal });
  }
}

/** What is found each time: whatever is made or removed meanwhile is not. */
async function lasting(look: (signal: AbortSignal) => Promise<readonly string[]>, clock: Clock, signal: AbortSignal): Promise<readonly string[]> {
  const seen = (): Promise<readonly string[]> => look(signal).catch((error: unknown) => [`it cannot be looked at: ${messageOf(error)}`]);
  let found = await seen();
  for (let count = 1; count < LOOKS && found.length > 0; count += 1) {
    await clock.sleep(LOOK_MS, signal);
    const now = await seen();
    found = found.filter((line) => now.includes(line));
  }
  return found;
}
