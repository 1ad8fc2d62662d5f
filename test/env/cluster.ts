import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { API_VERSION } from '../../src/api/group.ts';
import { CommandError, run } from '../../src/base/process.ts';
import { isNotFound } from '../../src/kube/api-error.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { isTrue } from '../../src/kube/conditions.ts';
import { pods, type Pod } from '../../src/kube/core.ts';
import { HttpTransport, loadKubeconfig } from '../../src/kube/transport.ts';
import { virtualMachines, type VirtualMachine } from '../../src/kube/yadokari.ts';
import type { ClusterStatus } from '../../src/local/cluster.ts';
import { ControlClient } from '../../src/local/control-client.ts';
import { clusterLayout } from '../../src/local/layout.ts';
import { readRecord } from '../../src/local/record.ts';
import { tied } from './tied.ts';

const yado = join(import.meta.dirname, '../../src/bin/yado.ts');
/** Ready binaries make a test independent of the toolchain's cache. */
const ready = process.env['YADO_BINARIES'];
/** Building what is missing takes minutes; starting takes seconds. */
const UP_MS = 1_200_000;
const PROBE_MS = 100;
/** A rollout, or a wait, may take its time. */
const KUBECTL_MS = 240_000;

export interface TestClusterOptions {
  /** Short name of the test file; makes the cluster's name, with the process id. */
  readonly name: string;
  /** Default 2: n1 and n2. */
  readonly nodes?: number;
  /** Through the chart, on a foreign CNI. */
  readonly chart?: boolean;
  /** Files that the nodes offer for images. */
  readonly imports?: readonly string[];
  /** OCI archives that the nodes have. */
  readonly images?: readonly string[];
  /** Kinds of volumes. Default: none. */
  readonly storage?: readonly string[];
  /** Seconds that nodes have to be ready. Default: those of `yado up`. */
  readonly timeout?: number;
}

/** Brings a cluster up that is tied to this process: it goes, with its state, when this process ends, however it ends. */
export async function startTestCluster({ name, nodes = 2, chart = false, imports = [], images = [], storage = [], timeout }: TestClusterOptions): Promise<TestCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'yado-e2e-'));
  const cluster = `${name}-${process.pid}`;
  const place = ['--name', cluster, '--state-root', folder];
  const binaries = ready === undefined ? [] : ['--binaries', ready];
  const started = performance.now();
  const up = spawn('setpriv', [...tied, yado, 'up', ...place, '--nodes', String(nodes), '--no-kubeconfig', '--tied', ...binaries, ...(chart ? ['--chart'] : []), ...imports.flatMap((file) => ['--import', file]), ...images.flatMap((file) => ['--image', file]), ...storage.flatMap((kind) => ['--storage', kind]), ...(timeout === undefined ? [] : ['--timeout', String(timeout)])], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [up.stdout, up.stderr]) stream.on('data', (chunk: Buffer) => { said = (said + chunk.toString('utf8')).slice(-20_000); });
  const ended = new Promise<void>((resolve) => up.once('close', () => resolve()));
  const stop = async (): Promise<void> => {
    up.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    for (;;) {
      if (up.exitCode !== null || performance.now() - started > UP_MS) throw new Error(`the cluster did not come up:\n${said}`);
      const status = await statusOf(folder, cluster);
      if (status?.ready === true && (!chart || said.includes('✓ Installing the chart'))) return new TestCluster(folder, status, performance.now() - started, await kubectlOf(folder, cluster), stop);
      await delay(PROBE_MS);
    }
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Undefined while nobody answers; asked without a process of its own, which a cluster that starts would feel. */
export async function statusOf(folder: string, cluster: string): Promise<ClusterStatus | undefined> {
  return new ControlClient(clusterLayout(folder, cluster)).status().catch(() => undefined);
}

async function kubectlOf(folder: string, cluster: string): Promise<string> {
  const record = await readRecord(clusterLayout(folder, cluster));
  return join(record?.binaries ?? '', 'kubectl');
}

/** A running cluster of a test. */
export class TestCluster implements AsyncDisposable {
  readonly folder: string;
  readonly status: ClusterStatus;
  /** Milliseconds from the command to Ready. */
  readonly upMs: number;
  readonly client: KubeClient;
  readonly kubectlPath: string;
  readonly #stop: () => Promise<void>;

  constructor(folder: string, status: ClusterStatus, upMs: number, kubectl: string, stop: () => Promise<void>) {
    this.folder = folder;
    this.status = status;
    this.upMs = upMs;
    this.client = new KubeClient(new HttpTransport(loadKubeconfig({ kubeconfig: status.kubeconfig })));
    this.kubectlPath = kubectl;
    this.#stop = stop;
  }

  get nodes(): readonly string[] {
    return this.status.nodes.map(({ name }) => name);
  }

  /** Runs kubectl with all rights; throws CommandError. */
  kubectl(...args: readonly string[]): Promise<string> {
    return run(this.kubectlPath, ['--kubeconfig', this.status.kubeconfig, ...args], { timeoutMs: KUBECTL_MS });
  }

  async apply(namespace: string, yaml: string): Promise<void> {
    await run(this.kubectlPath, ['--kubeconfig', this.status.kubeconfig, '-n', namespace, 'apply', '-f', '-'], { input: yaml });
  }

  /** What kubectl says when it refuses the YAML; fails when it does not. */
  async refusal(namespace: string, yaml: string, ...args: readonly string[]): Promise<string> {
    try {
      await run(this.kubectlPath, ['--kubeconfig', this.status.kubeconfig, '-n', namespace, 'create', '-f', '-', ...args], { input: yaml });
    } catch (error) {
      if (error instanceof CommandError) return error.stderr;
      throw error;
    }
    throw new Error(`this was accepted:\n${yaml}`);
  }

  /** Runs a program in all namespaces of a node. */
  inNode(node: string, ...command: readonly string[]): Promise<string> {
    return run('nsenter', ['-t', String(this.initPid(node)), '-a', '--', ...command]);
  }

  /** Runs a shell script in all namespaces of a node. */
  shell(node: string, script: string, options: { readonly timeoutMs?: number } = {}): Promise<string> {
    return run('nsenter', ['-t', String(this.initPid(node)), '-a', '--', 'sh', '-c', script], options);
  }

  initPid(node: string): number {
    const pid = this.status.nodes.find(({ name }) => name === node)?.initPid;
    if (pid === undefined) throw new Error(`node ${node} is not running`);
    return pid;
  }

  /** A namespace of its own for a test. */
  async namespace(name: string): Promise<string> {
    await this.kubectl('create', 'namespace', name);
    return name;
  }

  vm(namespace: string, name: string): Promise<VirtualMachine> {
    return this.client.get(virtualMachines, { namespace, name });
  }

  /** Waits until the machine is as `holds` wants it. */
  async vmThat(namespace: string, name: string, what: string, holds: (vm: VirtualMachine) => boolean, deadlineMs = 30_000): Promise<VirtualMachine> {
    return this.eventually(`${namespace}/${name} ${what}`, async () => {
      const vm = await this.vm(namespace, name);
      return holds(vm) ? vm : undefined;
    }, deadlineMs, namespace);
  }

  /** The core/v1 Pod once it is Ready. */
  async readyPod(namespace: string, name: string, deadlineMs = 30_000): Promise<Pod> {
    return this.eventually(`${namespace}/${name} is Ready`, async () => {
      const pod = await this.client.get(pods, { namespace, name });
      return isTrue(pod.status?.conditions, 'Ready') && pod;
    }, deadlineMs, namespace);
  }

  /** Probes until something other than undefined and false comes; else fails with a dump of what is known. */
  async eventually<T>(what: string, probe: () => Promise<T | undefined | false>, deadlineMs = 30_000, namespace?: string): Promise<T> {
    let last: unknown;
    for (const deadline = Date.now() + deadlineMs; Date.now() < deadline; await delay(PROBE_MS)) {
      try {
        const value = await probe();
        if (value !== undefined && value !== false) return value;
        last = undefined;
      } catch (error) {
        last = error;
      }
    }
    const why = last === undefined ? '' : ` (${last instanceof Error ? last.message : JSON.stringify(last)})`;
    throw new Error(`${what}: not within ${deadlineMs} ms${why}\n${await this.dump(namespace)}`);
  }

  /** Deletes the machine and waits until nothing of it is left; milliseconds from the call. */
  async deleteMachine(namespace: string, name: string, deadlineMs = 30_000): Promise<number> {
    const vm = await this.vm(namespace, name);
    const started = performance.now();
    await this.client.delete(virtualMachines, { namespace, name });
    await this.eventually(`${namespace}/${name} gone`, async () => {
      const left = await this.tracesOf(vm);
      if (left.length > 0) throw new Error(`still there: ${left.join('; ')}`);
      return true;
    }, deadlineMs, namespace);
    return performance.now() - started;
  }

  /** All that there is of a machine: objects, domain, tap, route, folder, address. */
  async tracesOf(vm: VirtualMachine): Promise<readonly string[]> {
    const { name, namespace = 'default', uid = '' } = vm.metadata;
    const address = vm.status?.guest?.address;
    const found: string[] = [];
    const object = await this.client.get(virtualMachines, { namespace, name }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (object?.metadata.uid === uid) found.push('VirtualMachine');
    const anchors = await this.kubectl('-n', namespace, 'get', 'pods', '-l', `yadokari.dev/virtual-machine=${name}`, '-o', 'name');
    found.push(...words(anchors));
    const handle = `k8s-pod-network.vmi.${namespace}.${name}`;
    const held = await this.kubectl('get', 'ipamhandles.crd.projectcalico.org,ipamblocks.crd.projectcalico.org', '-o', 'json');
    if (held.includes(handle)) found.push(`IPAM handle ${handle}`);
    await Promise.all(this.status.nodes.map(async ({ name: node }) => {
      const [domains, folders, routes] = await Promise.all([
        this.inNode(node, 'virsh', '-q', 'list', '--all', '--uuid'), this.shell(node, 'ls /var/lib/yadokari/guests 2>/dev/null || true'), this.inNode(node, 'ip', '-o', 'route'),
      ]);
      if (domains.includes(uid)) found.push(`domain on ${node}`);
      if (folders.includes(uid)) found.push(`folder on ${node}`);
      if (address !== undefined && routes.split('\n').some((line) => line.startsWith(`${address} `))) found.push(`route to ${address} on ${node}`);
    }));
    return found;
  }

  /** Taps of guests on a node. */
  async taps(node: string): Promise<readonly string[]> {
    return words(await this.shell(node, "ip -o tuntap | cut -d: -f1"));
  }

  /** What a person would look at first. */
  async dump(namespace?: string): Promise<string> {
    const where = namespace === undefined ? ['-A'] : ['-n', namespace];
    const ask = (...args: readonly string[]) => this.kubectl(...args).catch((error: unknown) => String(error));
    const log = async (path: string) => (await readFile(path, 'utf8').catch(() => '')).split('\n').slice(-15).join('\n');
    const logs = join(this.folder, this.status.name, 'log');
    const parts: [string, string][] = [
      ['objects', await ask('get', 'vm,ypod,pods', '-o', 'wide', ...where)],
      ['machines', await ask('get', 'vm', '-o', 'jsonpath={range .items[*]}{.metadata.name}{" "}{.status}{"\\n"}{end}', ...where)],
      ['events', await ask('get', 'events', '--sort-by=.metadata.creationTimestamp', ...where)],
      ['operator', await log(join(logs, 'operator.log'))],
      ...(await Promise.all(['agent', 'libvirtd'].flatMap((program) => this.nodes.map(async (node): Promise<[string, string]> => [`${program} of ${node}`, await log(join(logs, node, `${program}.log`))])))),
      ['supervisor', await log(join(logs, 'supervisor.log'))],
    ];
    return parts.map(([title, text]) => `── ${title}\n${text.slice(-12_000)}`).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    await this.#stop();
  }
}

/** The small guest image that every local node offers, as the object `tiny`. */
export const tinyImage = object('VirtualMachineImage', 'tiny', { format: 'tar', source: { file: { path: '/var/lib/yadokari/import/tiny.tar' } } });

/** A small machine of the image `tiny`; what `spec` says wins. */
export function tinyMachine(name: string, spec: Readonly<Record<string, unknown>> = {}): string {
  return object('VirtualMachine', name, { memory: '128Mi', kernelBoot: { image: 'tiny' }, terminationGracePeriodSeconds: 10, ...spec });
}

/** An object of our API as a document to apply; JSON is YAML. */
export function object(kind: string, name: string, spec: Readonly<Record<string, unknown>>): string {
  return documents({ apiVersion: API_VERSION, kind, metadata: { name, labels: { app: name } }, spec });
}

/** Objects as documents to apply. */
export function documents(...objects: readonly object[]): string {
  return objects.map((part) => `---\n${JSON.stringify(part)}\n`).join('');
}

export function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
