import type { Cri } from '../cri.ts';
import { ContainerError } from '../port.ts';
import type { ProbeAction } from '../probes/probe.ts';
import type { ProbeResult, ProbeTarget } from '../probes/target.ts';
import { expand } from './materials/expand.ts';
import type { ContainerSpec, ProbeSpec } from './pod.ts';

/** The port that a number or a name stands for. */
export function portOf(port: number | string, { ports = [] }: ContainerSpec): number {
  if (typeof port === 'number') return port;
  if (/^\d+$/.test(port)) return Number(port);
  const named = ports.find((candidate) => candidate.name === port);
  if (named === undefined) throw new RangeError(`strconv.Atoi: parsing ${JSON.stringify(port)}: invalid syntax`);
  return named.containerPort;
}

/** What a probe of a container does. */
export function actionOf(probe: ProbeSpec, container: ContainerSpec, id: string, cri: Cri): ProbeAction {
  const { exec, httpGet, tcpSocket, grpc } = probe;
  if (exec !== undefined) return { kind: 'exec', run: (target) => tryCommand(cri, id, staticallyExpanded(exec.command ?? [], container), target) };
  if (httpGet !== undefined) return { kind: 'httpGet', ...withoutHost(httpGet), port: portOf(httpGet.port, container) };
  if (tcpSocket !== undefined) return { kind: 'tcpSocket', ...withoutHost(tcpSocket), port: portOf(tcpSocket.port, container) };
  if (grpc !== undefined) return { kind: 'grpc', port: grpc.port, ...(grpc.service === undefined || grpc.service === null ? {} : { service: grpc.service }) };
  throw new RangeError('missing probe handler');
}

/** An empty host means none. */
function withoutHost<T extends { readonly host?: string }>(action: T): Omit<T, 'host'> & { readonly host?: string } {
  const { host = '', ...rest } = action;
  return host === '' ? rest : { ...rest, host };
}

/** Probes' commands know the variables that are written out in the container's definition, and no others. */
function staticallyExpanded(command: readonly string[], { env = [] }: ContainerSpec): readonly string[] {
  const values = new Map<string, string>();
  for (const { name, value } of env) if (value !== undefined) values.set(name, expand(value, (other) => values.get(other)));
  return command.map((word) => expand(word, (name) => values.get(name)));
}

const LONGEST_OUTPUT = 10 * 1024;

async function tryCommand(cri: Cri, id: string, command: readonly string[], { timeoutMs, signal }: ProbeTarget): Promise<ProbeResult> {
  try {
    const { stdout, stderr, exitCode } = await cri.execSync(id, command, Math.ceil(timeoutMs / 1000), signal);
    return { ok: exitCode === 0, message: Buffer.concat([stdout, stderr]).subarray(0, LONGEST_OUTPUT).toString() };
  } catch (error) {
    if (!(error instanceof ContainerError) || error.code !== 'RuntimeTimeout') throw error;
    return { ok: false, message: `command timed out: ${JSON.stringify(command.join(' '))} timed out after ${timeoutMs / 1000}s` };
  }
}
