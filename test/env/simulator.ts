import { spawn } from 'node:child_process';
import http from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { LABEL_SIMULATED } from '../../src/simulation/hollow-nodes.ts';
import { virtualMachineImages, type VirtualMachine, type VirtualMachineImage } from '../../src/kube/yadokari.ts';
import { API_VERSION } from '../../src/api/group.ts';
import type { KubeClient } from '../../src/kube/client.ts';

const program = join(import.meta.dirname, '../../src/bin/yado-simulator.ts');
const READY_MS = 300_000;

export interface SimulatorOptions {
  readonly kubeconfig: string;
  readonly nodes: number;
  /** Where its metrics are served; its own on this host. */
  readonly metricsAddress: string;
  readonly nodeArguments?: readonly string[];
}

/** A process that plays many nodes; it goes when it is disposed of. */
export interface Simulator extends AsyncDisposable {
  readonly pid: number;
  readonly metricsUrl: string;
}

/** Resolves once all nodes are registered and their agents work. */
export async function startSimulator({ kubeconfig, nodes, metricsAddress, nodeArguments = [] }: SimulatorOptions): Promise<Simulator> {
  const child = spawn(process.execPath, [...nodeArguments, program, '--kubeconfig', kubeconfig, '--nodes', String(nodes), '--metrics-address', metricsAddress], { stdio: ['ignore', 'inherit', 'inherit'] });
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

/** The image of simulated machines; nobody fetches it. */
export async function createSimulatedImage(client: KubeClient, namespace: string): Promise<void> {
  const image: VirtualMachineImage = { apiVersion: API_VERSION, kind: 'VirtualMachineImage', metadata: { name: 'simulated', namespace }, spec: { format: 'qcow2', source: { http: { url: 'http://images.invalid/simulated.qcow2' } } } };
  await client.create(virtualMachineImages, image);
}

/** A machine like many, which only a simulated node may run. */
export function simulatedMachine(name: string, namespace: string): VirtualMachine {
  return {
    apiVersion: API_VERSION,
    kind: 'VirtualMachine',
    metadata: { name, namespace, labels: { app: 'scale' } },
    spec: { cpu: 2, memory: '4Gi', disks: [{ name: 'root', image: 'simulated', size: '10Gi' }], nodeSelector: { [LABEL_SIMULATED]: 'true' } },
  } as VirtualMachine;
}
