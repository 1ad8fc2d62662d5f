import { Client, credentials } from '@grpc/grpc-js';
import { spawn, type ChildProcess } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { createLog } from '../../src/base/log.ts';
import { run } from '../../src/base/process.ts';
import { encodeSandboxStatus, decodeSandboxPid } from '../../src/container/drivers/cri/messages.ts';
import { CriRuntime } from '../../src/container/drivers/cri/runtime.ts';
import { encodeMessage, WireMessage, type WireField } from '../../src/container/drivers/cri/wire.ts';
import { destroyCgroup, detectHierarchies, ensureCgroup, type CgroupHierarchy } from '../../src/local/cgroup.ts';
import { onlyChildOf } from '../../src/local/component.ts';
import { hostPrefix, nodePrefix } from '../../src/local/entry.ts';
import { bootScript, privateFolders } from '../../src/local/node/boot-script.ts';
import { containerdConfig, libvirtdConfig, qemuConfig } from '../../src/local/node/config.ts';
import { SplicedNetwork } from '../../src/network/drivers/spliced/spliced-network.ts';
import type { GuestEndpointRequest } from '../../src/network/port.ts';
import { GuestCalls, type GuestCall } from './guest-calls.ts';
import { killed, type Underlay } from './network-host.ts';

export interface SplicedHostOptions {
  readonly folder: string;
  readonly underlay: Underlay;
  /** Of the underlay, on which the host is to be. */
  readonly namespace: string;
  /** Unique on the machine. */
  readonly cgroup: string;
  /** Archive of the sandboxes' image. */
  readonly images: string;
  /** Paths of the plugins. */
  readonly plugins: readonly string[];
  readonly cni: Readonly<Record<string, unknown>>;
}

/** A host of a cluster with a CNI that is not ours: containerd with that CNI, and libvirtd. */
export class SplicedHost implements AsyncDisposable {
  readonly root: string;
  readonly #options: SplicedHostOptions;
  readonly #hierarchies: readonly CgroupHierarchy[];
  readonly #init: ChildProcess;
  readonly #prefix: readonly string[];
  readonly #cri: Client;
  #containerd: ChildProcess | undefined;

  private constructor(options: SplicedHostOptions, hierarchies: readonly CgroupHierarchy[], init: ChildProcess, pid: number) {
    this.#options = options;
    this.#hierarchies = hierarchies;
    this.#init = init;
    this.root = `/proc/${pid}/root`;
    const files = hierarchies.map(({ mountPoint, version }) => join(mountPoint, options.cgroup, version === 2 ? 'init' : '', 'cgroup.procs'));
    this.#prefix = nodePrefix(files, pid);
    this.#cri = new Client(`unix://${this.root}/run/containerd/containerd.sock`, credentials.createInsecure());
  }

  static async start(options: SplicedHostOptions): Promise<SplicedHost> {
    const { folder, cgroup, namespace } = options;
    const hierarchies = await detectHierarchies();
    await ensureCgroup(hierarchies, cgroup);
    await prepare(options);
    const files = hierarchies.map(({ mountPoint }) => join(mountPoint, cgroup, 'cgroup.procs'));
    const script = bootScript({ hostname: 'n1', folder, hierarchies, bridged: true });
    const words: readonly string[] = [...hostPrefix(files), 'nsenter', `--net=/run/netns/${namespace}`, 'unshare', '--mount', '--pid', '--fork', '--uts', '--ipc', '--cgroup', '--kill-child', 'sh', '-c', script];
    const init = spawn(words[0] ?? '', words.slice(1), { stdio: ['ignore', 'pipe', 'ignore'] });
    await new Promise((resolve, reject) => {
      init.stdout.once('data', resolve);
      init.once('exit', () => reject(new Error('the host did not boot')));
    });
    const host = new SplicedHost(options, hierarchies, init, await onlyChildOf(init.pid ?? 0) ?? 0);
    host.startContainerd();
    host.daemon(['libvirtd', '-f', '/etc/libvirt/libvirtd.conf', '-p', '/run/libvirtd.pid']);
    await eventually(() => host.run(['ctr', '-n', 'k8s.io', 'images', 'import', options.images]));
    return host;
  }

  get libvirtSocket(): string {
    return `${this.root}/run/libvirt/libvirt-sock`;
  }

  /** Runs a program on the host to its end. */
  run(command: readonly string[], options: Parameters<typeof run>[2] = {}): Promise<string> {
    const [file = '', ...args] = [...this.#prefix, ...command];
    return run(file, args, options);
  }

  /** Starts a program on the host; it ends with the host at the latest. */
  daemon(command: readonly string[], stdio: 'ignore' | 'pipe' = 'ignore'): ChildProcess {
    const [file = '', ...args] = [...this.#prefix, ...command];
    return spawn(file, args, { stdio: [stdio, stdio, stdio === 'pipe' ? 'inherit' : 'ignore'] });
  }

  startContainerd(): void {
    this.#containerd = this.daemon(['containerd', '--config=/etc/containerd/config.toml']);
  }

  async stopContainerd(): Promise<void> {
    await endChild(this.#containerd);
  }

  /** What the kubelet asks of the runtime for a pod; the sandbox's id. `attempt` counts the sandboxes of one pod. */
  async runSandbox(pod: string, attempt = 0): Promise<string> {
    const label = (name: string, value: string): WireField => [6, encodeMessage([[1, name], [2, value]])];
    const config = encodeMessage([
      [1, encodeMessage([[1, pod], [2, `uid-${pod}`], [3, 'default'], [4, attempt]])],
      [2, pod],
      label('io.kubernetes.pod.name', pod), label('io.kubernetes.pod.namespace', 'default'), label('io.kubernetes.pod.uid', `uid-${pod}`),
      [8, encodeMessage([[1, '/pods']])],
    ]);
    return new WireMessage(await this.#call('RunPodSandbox', encodeMessage([[1, config]]))).text(1);
  }

  async removeSandbox(id: string): Promise<void> {
    await this.#call('StopPodSandbox', encodeMessage([[1, id]]));
    await this.#call('RemovePodSandbox', encodeMessage([[1, id]]));
  }

  /** Runs a program in a sandbox's network. */
  async inSandbox(id: string, command: readonly string[], options: Parameters<typeof run>[2] = {}): Promise<string> {
    const pid = decodeSandboxPid(await this.#call('PodSandboxStatus', encodeSandboxStatus(id)));
    return this.run(['nsenter', '-t', String(pid), '-n', ...command], options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cri.close();
    await killed(this.#init);
    await destroyCgroup(this.#hierarchies, this.#options.cgroup);
  }

  #call(method: string, request: Buffer): Promise<Buffer> {
    const identity = (bytes: Buffer): Buffer => bytes;
    return new Promise((resolve, reject) => {
      this.#cri.makeUnaryRequest(`/runtime.v1.RuntimeService/${method}`, identity, identity, request, { deadline: Date.now() + 60_000 }, (error, answer) => (error === null ? resolve(answer ?? Buffer.alloc(0)) : reject(error)));
    });
  }
}

async function prepare({ folder, plugins, cni }: SplicedHostOptions): Promise<void> {
  await Promise.all(privateFolders.flatMap((path) => [mkdir(folder + path, { recursive: true }), mkdir(path, { recursive: true })]));
  await mkdir(join(folder, 'opt/cni/bin'));
  await Promise.all(plugins.map((path) => copyFile(path, join(folder, 'opt/cni/bin', basename(path)))));
  const account = (text: string, line: string): string => (/^libvirt-qemu:/m.test(text) ? text : `${text.trimEnd()}\n${line}\n`);
  const texts = {
    'etc/containerd/config.toml': containerdConfig,
    'etc/cni/net.d/10-other.conflist': JSON.stringify({ cniVersion: '1.0.0', name: 'other', plugins: [cni] }),
    'etc/libvirt/libvirtd.conf': libvirtdConfig('5b3f2a52-6f0e-4d7e-9f0c-0d6f2f7a1c11'),
    'etc/libvirt/qemu.conf': qemuConfig,
    'etc/yadokari/resolv.conf': '',
    'etc/yadokari/passwd': account(await readFile('/etc/passwd', 'utf8'), 'libvirt-qemu:x:64055:64055:QEMU:/var/lib/libvirt:/usr/sbin/nologin'),
    'etc/yadokari/group': account(await readFile('/etc/group', 'utf8'), 'libvirt-qemu:x:64055:'),
  };
  await mkdir(join(folder, 'etc/cni/net.d'), { recursive: true });
  for (const [path, text] of Object.entries(texts)) await writeFile(join(folder, path), text);
}

/** Repeats what fails until it succeeds. */
export async function eventually<T>(attempt: () => Promise<T>, timeoutMs = 20_000): Promise<T> {
  for (const giveUpAt = Date.now() + timeoutMs; ;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > giveUpAt) throw error;
      await delay(100);
    }
  }
}

/** Kills what was started by `daemon`: the only child of the process that entered the host. */
async function endChild(entered: ChildProcess | undefined): Promise<void> {
  const gone = new Promise((resolve) => entered?.once('exit', resolve));
  const pid = await onlyChildOf(entered?.pid ?? 0);
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  await gone;
}

/** A SplicedNetwork in a process of its own on the host. */
export class SplicedAgent extends GuestCalls {
  static async start(host: SplicedHost, logLevel = 'warn'): Promise<SplicedAgent> {
    const agent = new SplicedAgent(host.daemon([process.execPath, import.meta.filename, logLevel], 'pipe'));
    await agent.started();
    return agent;
  }

  /** Ends the process without a chance to clean up. */
  async kill(): Promise<void> {
    await endChild(this.child);
  }
}

/** The agent's process: calls come as JSON lines on standard input. */
async function serve(logLevel: string): Promise<void> {
  const tell = (line: Readonly<Record<string, unknown>>): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  using runtime = new CriRuntime({ socket: '/run/containerd/containerd.sock' });
  await using network = new SplicedNetwork({
    sandboxes: runtime,
    dns: { servers: ['10.98.0.10'], search: (namespace) => [`${namespace}.svc.cluster.local`, 'svc.cluster.local', 'cluster.local'] },
    onMoved: (moved) => tell({ moved }),
    onLost: () => {},
    log: createLog({ level: logLevel }),
  });
  const methods: Readonly<Record<GuestCall['method'], (...params: readonly never[]) => Promise<unknown>>> = {
    ensureGuest: (request: GuestEndpointRequest) => network.ensureGuest(request),
    removeGuest: (namespace: string, pod: string) => network.removeGuest(namespace, pod),
    prune: (keep: readonly string[]) => network.prune(new Set(keep)),
  };
  await network.start();
  tell({ id: 0, result: 'ready' });
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, method, params } = JSON.parse(line) as GuestCall & { readonly params: readonly never[] };
    void methods[method](...params).then((result) => tell({ id, result: result ?? null }), (error: unknown) => tell({ id, error: String(error) }));
  }
}

if (import.meta.main) await serve(process.argv[2] ?? 'warn');
