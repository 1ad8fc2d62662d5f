import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createLog } from '../../src/base/log.ts';
import { run } from '../../src/base/process.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { pods } from '../../src/kube/core.ts';
import { HttpTransport, loadKubeconfig } from '../../src/kube/transport.ts';
import { NativeNetwork } from '../../src/network/drivers/native/native-network.ts';
import type { GuestEndpoint, GuestEndpointRequest } from '../../src/network/port.ts';
import { GuestCalls, type GuestAnswer, type GuestCall } from './guest-calls.ts';
import { tiedProgram } from './tied.ts';

/** A private bridge with network namespaces as hosts on it: .1 is this machine, hosts get the addresses they ask for. */
export class Underlay implements AsyncDisposable {
  readonly #prefix: string;
  readonly #network: string;
  readonly #namespaces: string[] = [];
  readonly #children = new Set<ChildProcess>();

  private constructor(prefix: string, network: string) {
    this.#prefix = prefix;
    this.#network = network;
  }

  /** `network` is a /24 without its last byte, such as `10.71.5`; `prefix` begins all names and has at most 6 characters. */
  static async create(prefix: string, network: string): Promise<Underlay> {
    const underlay = new Underlay(prefix, network);
    await run('ip', ['link', 'add', `${prefix}br`, 'type', 'bridge', 'nf_call_iptables', '0']);
    await run('ip', ['addr', 'add', `${network}.1/24`, 'dev', `${prefix}br`]);
    await run('ip', ['link', 'set', `${prefix}br`, 'up']);
    return underlay;
  }

  /** A host on the bridge; the name of its namespace. */
  async addHost(name: string, lastByte: number): Promise<string> {
    const namespace = await this.addNamespace(name);
    await run('ip', ['link', 'add', `${this.#prefix}${name}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
    await run('ip', ['link', 'set', `${this.#prefix}${name}`, 'master', `${this.#prefix}br`, 'up']);
    await run('ip', ['-n', namespace, '-batch', '-'], {
      input: `link set lo up\naddr add ${this.#network}.${lastByte}/24 dev eth0\nlink set eth0 up\nroute add default via ${this.#network}.1\n`,
    });
    return namespace;
  }

  /** A namespace with nothing in it, such as a pod's. */
  async addNamespace(name: string): Promise<string> {
    const namespace = `${this.#prefix}-${name}`;
    await run('ip', ['netns', 'add', namespace]);
    this.#namespaces.push(namespace);
    return namespace;
  }

  async removeNamespace(namespace: string): Promise<void> {
    await run('ip', ['netns', 'del', namespace]);
    this.#namespaces.splice(this.#namespaces.indexOf(namespace), 1);
  }

  /** Runs a program in a namespace to its end. */
  run(namespace: string, command: readonly string[], options: Parameters<typeof run>[2] = {}): Promise<string> {
    return run('nsenter', [`--net=/run/netns/${namespace}`, ...command], options);
  }

  /** Starts a program in a namespace; it ends with the underlay at the latest. */
  spawn(namespace: string, command: readonly string[], stdio: 'ignore' | 'pipe' = 'ignore'): ChildProcess {
    const child = spawn('setpriv', [...tiedProgram, 'nsenter', `--net=/run/netns/${namespace}`, ...command], { stdio: [stdio, stdio, 'inherit'] });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#children].map(killed));
    for (const namespace of this.#namespaces) await run('ip', ['netns', 'del', namespace]).catch(() => {});
    await run('ip', ['link', 'del', `${this.#prefix}br`]).catch(() => {});
  }
}

export async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

export interface NetworkAgentOptions {
  readonly kubeconfig: string;
  readonly node: string;
  readonly nodeAddress: string;
  /** Folder of this node: state, sockets, BIRD's configuration. */
  readonly folder: string;
  readonly logLevel?: string;
}

/** A NativeNetwork in a process of its own inside a namespace. */
export class NetworkAgent extends GuestCalls {
  static async start(underlay: Underlay, namespace: string, options: NetworkAgentOptions): Promise<NetworkAgent> {
    await mkdir(options.folder, { recursive: true });
    const agent = new NetworkAgent(underlay.spawn(namespace, [process.execPath, import.meta.filename, JSON.stringify(options)], 'pipe'));
    await agent.started();
    return agent;
  }

  /** Ends the process without a chance to clean up. */
  kill(): Promise<void> {
    return killed(this.child);
  }
}

/** The agent's process: calls come as JSON lines on standard input. */
async function serve(options: NetworkAgentOptions): Promise<void> {
  const client = new KubeClient(new HttpTransport(loadKubeconfig({ kubeconfig: options.kubeconfig })));
  const guests = new Map<string, PromiseWithResolvers<GuestEndpoint>>();
  const guest = (pod: string): PromiseWithResolvers<GuestEndpoint> => {
    const known = guests.get(pod) ?? Promise.withResolvers<GuestEndpoint>();
    guests.set(pod, known);
    return known;
  };
  await using network = new NativeNetwork({
    client,
    node: options.node,
    nodeAddress: options.nodeAddress,
    stateDirectory: join(options.folder, 'state'),
    cniSocket: join(options.folder, 'cni.sock'),
    birdConfig: join(options.folder, 'bird.conf'),
    birdSocket: join(options.folder, 'bird.ctl'),
    dns: { servers: ['10.98.0.10'], search: (namespace) => [`${namespace}.svc.cluster.local`, 'svc.cluster.local', 'cluster.local'] },
    log: createLog({ level: options.logLevel ?? 'warn', fields: { node: options.node } }),
    lookup: async ({ namespace, name }, signal) => {
      const pod = await client.get(pods, { namespace, name }, signal);
      return pod.metadata.labels?.['yadokari.dev/virtual-machine'] === undefined
        ? { kind: 'container', annotations: pod.metadata.annotations ?? {} }
        : { kind: 'anchor', endpoint: guest(`${namespace}/${name}`).promise };
    },
  });
  const tell = (answer: GuestAnswer): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);
  const methods: Readonly<Record<GuestCall['method'], (...params: readonly never[]) => Promise<unknown>>> = {
    async ensureGuest(request: GuestEndpointRequest) {
      const endpoint = await network.ensureGuest(request);
      guest(`${request.namespace}/${request.pod}`).resolve(endpoint);
      return endpoint;
    },
    removeGuest: (namespace: string, pod: string) => network.removeGuest(namespace, pod),
    prune: (keep: readonly string[]) => network.prune(new Set(keep)),
  };
  await network.start();
  tell({ id: 0, result: 'ready' });
  for await (const line of createInterface({ input: process.stdin })) {
    const parsed = JSON.parse(line) as GuestCall;
    void methods[parsed.method](...(parsed.params as readonly never[])).then((result) => tell({ id: parsed.id, result: result ?? null }), (error: unknown) => tell({ id: parsed.id, error: String(error) }));
  }
  client.close();
}

if (import.meta.main) await serve(JSON.parse(process.argv[2] ?? '{}') as NetworkAgentOptions);
