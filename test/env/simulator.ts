import { spawn } from 'node:child_process';
import http from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { API_VERSION } from '../../src/api/group.ts';
import type { VirtualMachine } from '../../src/kube/yadokari.ts';
import { LABEL_SIMULATED } from '../../src/simulation/hollow-nodes.ts';
import { tied } from './tied.ts';

const program = join(import.meta.dirname, '../../src/bin/yado-simulator.ts');
const READY_MS = 300_000;

export interface SimulatorOptions {
  readonly kubeconfig: string;
  readonly nodes: number;
  /** Where its metrics are served; its own on this host. */
  readonly metricsAddress: string;
  /** Further arguments of the program. */
  readonly args?: readonly string[];
}

/** A process that plays many nodes; it goes when it is disposed of. */
export interface Simulator extends AsyncDisposable {
  readonly pid: number;
  readonly metricsUrl: string;
}

/** Resolves once all nodes are registered and their agents work. */
export async function startSimulator({ kubeconfig, nodes, metricsAddress, args = [] }: SimulatorOptions): Promise<Simulator> {
  const child = spawn('setpriv', [...tied, program, '--kubeconfig', kubeconfig, '--nodes', String(nodes), '--metrics-address', metricsAddress, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
  };
  for (const deadline = Date.now() + READY_MS; ; await delay(100)) {
    if (await page(`http://${metricsAddress}/readyz`).then((answer) => answer === 'ok', () => false)) break;
    if (Date.now() < deadline && child.exitCode === null) continue;
    await stop();
    throw new Error('the simulator did not get ready');
  }
  return { pid: child.pid ?? 0, metricsUrl: `http://${metricsAddress}/metrics`, [Symbol.asyncDispose]: stop };
}

/** The text of a page. */
export async function page(url: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  http.get(url, { agent: false, timeout: 10_000 }, resolve).on('error', reject).on('timeout', function timeout(this: http.ClientRequest) { this.destroy(new Error('no answer')); });
  return text(await promise);
}

/** A machine like many, which only a simulated node may run. */
export function simulatedMachine(name: string, namespace: string): VirtualMachine {
  return {
    apiVersion: API_VERSION,
    kind: 'VirtualMachine',
    metadata: { name, namespace, labels: { app: 'scale' } },
    spec: { cpu: 2, memory: '4Gi', disks: [{ name: 'root', blank: {}, size: '10Gi' }], nodeSelector: { [LABEL_SIMULATED]: 'true' } },
  };
}
