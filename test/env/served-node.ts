import { spawn, type ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { NodeReviewer } from '../../src/agent/virtual-nodes/node-reviewer.ts';
import { systemClock } from '../../src/base/clock.ts';
import { createLog } from '../../src/base/log.ts';
import type { ContainerConfig, Cri, CriContainerStatus, SandboxConfig } from '../../src/container/cri.ts';
import type { ContainerStateReport, ContainerStatusReport, PodManifest } from '../../src/container/kubelet/pod.ts';
import type { PodFiles } from '../../src/container/pod-files.ts';
import { KubeletServer } from '../../src/container/server/server.ts';
import { nodes, pods } from '../../src/kube/core.ts';
import { defineResource } from '../../src/kube/object.ts';
import { createAuthority, issueCertificate, type KeyPair } from '../../src/base/certificate.ts';
import { helloImageName } from '../../src/local/images/container-images.ts';
import { startApiServer, type ApiServer } from './api-server.ts';
import { until } from './host-runtime.ts';
import type { ServedMachine } from './served-machine.ts';

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface TestContainer {
  readonly name: string;
  readonly script: string;
  readonly stdin?: boolean;
  readonly tty?: boolean;
  /** Scripts of the runs before, which have ended. */
  readonly before?: readonly string[];
}

const bindings = defineResource('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', 'clusterrolebindings', false);
const CLIENT = 'kube-apiserver-kubelet-client';

/** A node whose pods are run by hand, with a real kube-apiserver and a real containerd; what serves it is what is tested. */
export class NodeWithServer implements AsyncDisposable {
  readonly name = 'served';
  readonly authority: KeyPair;
  readonly client: KeyPair;
  readonly api: ApiServer;
  readonly cri: Cri;
  readonly server: KubeletServer;
  port = 0;
  /** Connections to the runtime's streaming server that are open. */
  readonly streams = new Set<Duplex>();
  /** How often a file was looked at. */
  looks = 0;
  readonly #binDirectory: string;
  readonly #machine: ServedMachine;
  readonly #pods = new Map<string, PodManifest>();

  private constructor(binDirectory: string, machine: ServedMachine, api: ApiServer, [authority, server, client]: readonly [KeyPair, KeyPair, KeyPair]) {
    this.#binDirectory = binDirectory;
    this.#machine = machine;
    this.authority = authority;
    this.client = client;
    this.api = api;
    this.cri = machine.cri;
    this.server = new KubeletServer({
      node: {
        node: this.name,
        cri: this.cri,
        link: { dial: (port) => this.#dial(port), files: this.#countedFiles(), pressure: (signal) => machine.link.pressure(signal) },
        pods: () => [...this.#pods.values()],
        pod: (namespace, name) => this.#pods.get(`${namespace}/${name}`),
      },
      reviewer: new NodeReviewer(api.client, this.name),
      certificate: server.certificate, key: server.key, clientAuthorities: authority.certificate,
      address: '127.0.0.1', firstPort: 21_250 + process.pid % 5000, clock: systemClock, log: createLog({ level: process.env['YADO_LOG'] ?? 'silent' }),
    });
  }

  /** Keeps files in the folder, which exists; the machine ends with the node. */
  static async start(binDirectory: string, folder: string, machine: ServedMachine): Promise<NodeWithServer> {
    const authority = await createAuthority('test');
    const server = await issueCertificate(authority, { commonName: 'system:node:served', organizations: ['system:nodes'], addresses: ['127.0.0.1'], usages: ['server'] });
    const client = await issueCertificate(authority, { commonName: CLIENT, usages: ['client'] });
    await writeFile(join(folder, 'client.crt'), client.certificate);
    await writeFile(join(folder, 'client.key'), client.key);
    const api = await startApiServer({ binDirectory, arguments: ['--feature-gates=PodLogsQuerySplitStreams=true', `--kubelet-client-certificate=${folder}/client.crt`, `--kubelet-client-key=${folder}/client.key`, '--kubelet-preferred-address-types=InternalIP'] });
    const node = new NodeWithServer(binDirectory, machine, api, [authority, server, client]);
    node.port = await node.server.start();
    const role = { roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:kubelet-api-admin' }, subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: CLIENT }] };
    await until('the role of the API server', () => api.client.create(bindings, { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name: CLIENT }, ...role }).then(() => true, () => false));
    await api.client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: node.name } });
    const status = { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: node.port } } };
    await api.client.patch(nodes, { name: node.name }, { status }, { subresource: 'status' });
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.api[Symbol.asyncDispose]();
    await this.#machine[Symbol.asyncDispose]();
  }

  /** A pod of which nothing runs. */
  async create(name: string, containers: readonly TestContainer[]): Promise<PodManifest> {
    const spec = { nodeName: this.name, automountServiceAccountToken: false, containers: containers.map(({ name: container, script, stdin = false, tty = false }) => ({ name: container, image: helloImageName, command: ['sh', '-c', script], stdin, tty })) };
    const created = await this.api.client.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default' }, spec }) as PodManifest;
    this.#pods.set(`default/${name}`, created);
    return created;
  }

  /** Runs a pod, and says so in the API. */
  async run(name: string, containers: readonly TestContainer[]): Promise<PodManifest> {
    const created = await this.create(name, containers);
    const sandboxConfig = this.#sandbox(created);
    await this.#machine.prepare(created);
    const sandbox = await this.cri.runSandbox(sandboxConfig);
    for (const container of containers) {
      for (const [attempt, script] of [...container.before ?? [], container.script].entries()) {
        const id = await this.cri.createContainer(sandbox, this.#container(created, container, script, attempt), sandboxConfig);
        await this.cri.startContainer(id);
        if (attempt < (container.before?.length ?? 0)) await until('the end of a run', async () => (await this.cri.containerStatus(id))?.state === 'EXITED');
      }
    }
    return this.report(name);
  }

  /** Brings the pod's status up to what the runtime says. `override` replaces what it says of containers. */
  async report(name: string, override?: readonly ContainerStatusReport[]): Promise<PodManifest> {
    const { metadata: { uid } } = await this.api.client.get(pods, { namespace: 'default', name });
    const known = (await this.cri.listContainers()).filter(({ labels }) => labels['io.kubernetes.pod.uid'] === uid);
    const runs = await Promise.all(known.toSorted((a, b) => b.metadata.attempt - a.metadata.attempt).map(({ id }) => this.cri.containerStatus(id)));
    const byName = Map.groupBy(runs.filter((run) => run !== undefined), ({ metadata }) => metadata.name);
    const containerStatuses = override ?? [...byName].map(([container, [now, last]]) => statusOf(container, now, last));
    const status = { phase: 'Running' as const, containerStatuses };
    const pod = await this.api.client.patch(pods, { namespace: 'default', name }, { status }, { subresource: 'status' }) as PodManifest;
    this.#pods.set(`default/${name}`, pod);
    return pod;
  }

  /** Renames the log of a container that runs, and has the next file begun a moment later. */
  async rotate(container: string, stamp: string): Promise<void> {
    const id = (await this.cri.listContainers()).find(({ metadata, state }) => metadata.name === container && state === 'RUNNING')?.id ?? '';
    const { files } = this.#machine.link;
    const path = relative(files.root, (await this.cri.containerStatus(id))?.logPath ?? '');
    await files.rename(path, `${path}.${stamp}`);
    await delay(100);
    await this.cri.reopenLog(id);
  }

  /** The toolchain's kubectl, to its end. */
  async kubectl(args: readonly string[], { input = '', env = {} }: RunOptions = {}): Promise<Ended> {
    const child = this.spawn(args, env);
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    return ended(child);
  }

  spawn(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    return spawn(join(this.#binDirectory, 'kubectl'), ['--kubeconfig', this.api.kubeconfigPath, ...args], { env: { ...process.env, ...env }, timeout: 60_000, killSignal: 'SIGKILL' });
  }

  /** kubectl in a terminal whose device it tells first. */
  inTerminal(args: readonly string[], size: string, env: Readonly<Record<string, string>>): ChildProcess {
    const words = [join(this.#binDirectory, 'kubectl'), '--kubeconfig', this.api.kubeconfigPath, ...args].map((word) => `'${word}'`).join(' ');
    return spawn('script', ['-qefc', `stty ${size}; tty; exec ${words}`, '/dev/null'], { env: { ...process.env, ...env }, timeout: 60_000, killSignal: 'SIGKILL' });
  }

  #sandbox({ metadata: { name, namespace = '', uid = '' } }: PodManifest): SandboxConfig {
    const labels = { 'io.kubernetes.pod.name': name, 'io.kubernetes.pod.namespace': namespace, 'io.kubernetes.pod.uid': uid };
    return {
      metadata: { name, namespace, uid, attempt: 0 }, hostname: name, logDirectory: `${this.#machine.link.files.root}/${uid}/logs`, dns: { servers: [], searches: [], options: [] },
      labels, annotations: {}, cgroupParent: '/pods', securityContext: { namespaces: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } },
    };
  }

  #container(pod: PodManifest, { name, stdin = false, tty = false }: TestContainer, script: string, attempt: number): ContainerConfig {
    const { labels, securityContext } = this.#sandbox(pod);
    return {
      metadata: { name, attempt }, image: helloImageName, command: ['sh', '-c', script], envs: [], mounts: [], labels: { ...labels, 'io.kubernetes.container.name': name }, annotations: {},
      logPath: `${name}/${attempt}.log`, stdin, tty, resources: {}, security: { namespaces: securityContext.namespaces },
    };
  }

  #countedFiles(): PodFiles {
    return new Proxy<PodFiles>(this.#machine.link.files, {
      get: (files, name) => {
        if (name === 'stat') this.looks += 1;
        const value: unknown = Reflect.get(files, name);
        return typeof value === 'function' ? (value as (...args: readonly unknown[]) => unknown).bind(files) : value;
      },
    });
  }

  async #dial(port: number): Promise<Duplex> {
    const stream = await this.#machine.link.dial(port);
    this.streams.add(stream);
    return stream.on('close', () => this.streams.delete(stream));
  }
}

export async function ended(child: ChildProcess): Promise<Ended> {
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout?.on('data', (piece: Buffer) => out.push(piece));
  child.stderr?.on('data', (piece: Buffer) => err.push(piece));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() };
}

function statusOf(name: string, now: CriContainerStatus | undefined, last: CriContainerStatus | undefined): ContainerStatusReport {
  const lastState = last === undefined ? {} : { lastState: stateOf(last) };
  return { name, ready: true, restartCount: now?.metadata.attempt ?? 0, image: helloImageName, imageID: '', containerID: `containerd://${now?.id}`, state: now === undefined ? {} : stateOf(now), ...lastState };
}

function stateOf({ id, state, startedAt, finishedAt, exitCode }: CriContainerStatus): ContainerStateReport {
  const time = (nanoseconds: bigint): string => new Date(Number(nanoseconds / 1_000_000n)).toISOString().replace(/\.\d+/, '');
  if (state === 'RUNNING') return { running: { startedAt: time(startedAt) } };
  return { terminated: { exitCode, startedAt: time(startedAt), finishedAt: time(finishedAt), containerID: `containerd://${id}` } };
}
