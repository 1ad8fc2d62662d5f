import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Cri } from '../cri.ts';
import { probeHttp } from '../probes/http.ts';
import { portOf } from './handlers.ts';
import { describePod } from './labels.ts';
import type { ContainerSpec, HandlerSpec, PodManifest } from './pod.ts';

export interface HookTarget {
  readonly pod: PodManifest;
  readonly id: string;
  readonly container: ContainerSpec;
  /** Of the pod. */
  readonly address: string;
  readonly signal: AbortSignal;
}

/** Longer than any grace period that people mean. */
const LONGEST_MS = 24 * 3600 * 1000;
const HTTP_MS = 60_000;

/** Runs a postStart or preStop hook to its end. Rejects, in the kubelet's words, when it fails. */
export async function runHook(hook: HandlerSpec, { cri, clock }: { readonly cri: Cri; readonly clock: Clock }, target: HookTarget): Promise<void> {
  const { exec, httpGet, sleep } = hook;
  const failed = (what: string, error: unknown, output = ''): never => {
    throw new Error(`${what} for Container ${JSON.stringify(target.container.name)} in Pod ${JSON.stringify(describePod(target.pod))} failed - error: ${messageOf(error)}${output}`);
  };
  if (exec !== undefined) {
    const { command = [] } = exec;
    const what = `Exec lifecycle hook ([${command.join(' ')}])`;
    const { exitCode, stdout, stderr } = await cri.execSync(target.id, command, LONGEST_MS / 1000, target.signal).catch((error: unknown) => failed(what, error, ', message: ""'));
    if (exitCode !== 0) failed(what, `command '${command.join(' ')}' exited with ${exitCode}: ${stderr.toString()}`, `, message: ${JSON.stringify(Buffer.concat([stdout, stderr]).toString())}`);
  } else if (httpGet !== undefined) await get(httpGet, target).catch((error: unknown) => failed(`HTTP lifecycle hook (${httpGet.path ?? ''})`, error));
  else if (sleep !== undefined) await clock.sleep(sleep.seconds * 1000, target.signal);
  else throw new Error('Cannot run handler: invalid handler');
}

/** Any answer will do, whatever its status. */
async function get(httpGet: NonNullable<HandlerSpec['httpGet']>, { container, address, signal }: HookTarget): Promise<void> {
  const { host = '', port, ...rest } = httpGet;
  const { ok, message } = await probeHttp({ kind: 'httpGet', ...rest, port: portOf(port, container) }, { host: host === '' ? address : host, timeoutMs: HTTP_MS, signal });
  if (!ok && !message.startsWith('HTTP probe failed with statuscode')) throw new Error(message);
}
