import { join } from 'node:path';
import { virtualMachineImages, virtualMachines, yadoPods, type VirtualMachine, type VirtualMachineImage, type YadoPod } from '../../src/kube/yadokari.ts';
import { pods } from '../../src/kube/core.ts';
import { API_VERSION } from '../../src/api/group.ts';
import { startBenchCluster, type BenchCluster } from './bench-cluster.ts';
import { printFigures, type Figure } from './figures.ts';
import type { Probe } from './network-probe.ts';

const NAMESPACE = 'default';
/** A guest under emulation moves less than a container. */
const MEBIBYTES = { guest: 32, pod: 256 } as const;
const serve = (mebibytes: number): string => `mkdir -p /tmp/www/cgi-bin
echo hello > /tmp/www/index.html
printf '#!/bin/sh\\nprintf "Content-Type: text/plain\\\\r\\\\n\\\\r\\\\n"\\nexec dd if=/dev/zero bs=65536 count=${mebibytes * 16} 2>/dev/null\\n' > /tmp/www/cgi-bin/source
printf '#!/bin/sh\\ncat > /dev/null\\nprintf "Content-Type: text/plain\\\\r\\\\n\\\\r\\\\nok"\\n' > /tmp/www/cgi-bin/sink
chmod +x /tmp/www/cgi-bin/*
httpd -p 80 -h /tmp/www
`;

interface Measured {
  readonly guest: Probe;
  readonly pod: Probe;
}

/** A pod to a spliced guest, beside pod to pod and beside a pod to a guest on a tap of the native network. */
export async function benchNetwork(): Promise<void> {
  const native = await measure('net-native', []);
  const spliced = await measure('net-spliced', ['--cni', 'bridge']);
  printFigures('Network: a pod to its peer on the same node, medians of 3 rounds and of 200 requests', [
    ...rows('spliced guest', spliced.guest, native.guest, 'native guest', '0.95 ×'),
    ...rows('pod, bridge CNI', spliced.pod, native.pod, 'pod, native'),
  ]);
}

function rows(what: string, ours: Probe, raw: Probe, rawName: string, goal?: string): readonly Figure[] {
  const rate = (label: string, a: number, b: number): Figure => ({ what: `${what}, ${label}`, value: `${a.toFixed(0)} Mbit/s`, beside: `${rawName} ${b.toFixed(0)} Mbit/s: ${(a / b).toFixed(2)} ×`, ...(goal === undefined ? {} : { goal: `≥ ${goal}` }) });
  return [
    rate('sent to it', ours.sentMbit, raw.sentMbit),
    rate('received from it', ours.receivedMbit, raw.receivedMbit),
    { what: `${what}, a request`, value: `${ours.requestMs.toFixed(2)} ms`, beside: `${rawName} ${raw.requestMs.toFixed(2)} ms: ${(ours.requestMs / raw.requestMs).toFixed(2)} ×` },
  ];
}

async function measure(name: string, args: readonly string[]): Promise<Measured> {
  await using cluster = await startBenchCluster(name, ...args);
  const { client } = cluster;
  const metadata = (own: string) => ({ name: own, namespace: NAMESPACE });
  const image: VirtualMachineImage = { apiVersion: API_VERSION, kind: 'VirtualMachineImage', metadata: metadata('tiny'), spec: { format: 'tar', source: { file: { path: '/var/lib/yadokari/import/tiny.tar' } } } };
  const guest: VirtualMachine = {
    apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: metadata('guest'),
    spec: { memory: '128Mi', kernelBoot: { image: 'tiny' }, probes: { readiness: { tcpSocket: { port: 80 } } }, cloudInit: { userData: `#!/bin/sh\n${serve(MEBIBYTES.guest)}` } },
  };
  const pod = (own: string): YadoPod => ({
    apiVersion: API_VERSION, kind: 'Pod', metadata: metadata(own),
    spec: { containers: [{ name: 'c', image: 'localhost/yadokari/hello:1', imagePullPolicy: 'Never', command: ['sh', '-c', `${serve(MEBIBYTES.pod)}sleep 100000`] }] },
  });
  await client.create(virtualMachineImages, image);
  await client.create(virtualMachines, guest);
  for (const own of ['peer', 'asker']) await client.create(yadoPods, pod(own));
  const guestAddress = await until(async () => {
    const { status } = await client.get(virtualMachines, metadata('guest'));
    return status?.ready === true ? status.address : undefined;
  });
  const peerAddress = await until(async () => (await client.get(yadoPods, metadata('peer'))).status?.address);
  const asker = await until(() => processOf(cluster, 'asker'));
  return { guest: await probe(cluster, asker, guestAddress, MEBIBYTES.guest), pod: await probe(cluster, asker, peerAddress, MEBIBYTES.pod) };
}

/** The pod's first process, as its node sees it. */
async function processOf(cluster: BenchCluster, name: string): Promise<string | undefined> {
  const { status } = await cluster.client.get(pods, { name, namespace: NAMESPACE });
  const id = status?.containerStatuses?.[0]?.containerID?.replace(/^\w+:\/\//, '');
  if (id === undefined || status?.phase !== 'Running') return undefined;
  const tasks = await cluster.inNode('ctr', '-n', 'k8s.io', 'tasks', 'ls');
  return new RegExp(`^${id}\\s+(\\d+)`, 'm').exec(tasks)?.[1];
}

async function probe(cluster: BenchCluster, pid: string, address: string, mebibytes: number): Promise<Probe> {
  const text = await cluster.inNode('nsenter', '-t', pid, '-n', '--', process.execPath, join(import.meta.dirname, 'network-probe.ts'), address, String(mebibytes));
  return JSON.parse(text) as Probe;
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + 120_000; Date.now() < deadline; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const seen = await look().catch(() => undefined);
    if (seen !== undefined) return seen;
  }
  throw new Error('what the benchmark waits for did not happen within two minutes');
}
