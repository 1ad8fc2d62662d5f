import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import type { Method } from '../../src/base/grpc-services.ts';
import { replicatedVolumes, storageBackends, type ReplicatedVolume } from '../../src/kube/yadokari.ts';
import { bundleProgram } from '../../src/local/bundle.ts';
import { leanNode } from '../../src/local/lean-node.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { csiServices, type CsiCall } from '../../src/storage/csi/protocol.ts';
import { startApiServer, type ApiServer } from './api-server.ts';
import type { Answer } from './csi-driver.ts';
import { DrbdMachine, HOST_IN_GUESTS, replicationAddress } from './drbd-machine.ts';
import { ownFolder } from './own-folder.ts';

const root = join(import.meta.dirname, '../..');
const PREFIX = 'yado-drbd-';
export const SOCKET = '/run/csi.sock';
const CALL_MS = 120_000;
const READY_MS = 180_000;

export interface DrbdClusterOptions {
  /** As a StorageBackend has them under `drbd`, beside those of the machines. */
  readonly settings?: object;
  readonly diskMiB?: number;
  /** How drivers run. Default: from these sources, with all rights. */
  readonly launcher?: (api: ApiServer, folder: string) => Promise<Launch>;
}

/** Script for the node of that name which becomes the driver, serving on `SOCKET`. The kubeconfig's text has all rights, and the address that nodes reach the API at. */
export type Launch = (node: string, kubeconfig: string) => string;

/** One of the nodes: its machine, and the driver in it. */
export class DrbdNode {
  readonly machine: DrbdMachine;
  readonly #script: string;
  readonly #methods: ReadonlyMap<string, Method> = new Map([...csiServices().values()].flatMap((service) => Object.entries(service)));
  #client: Client | undefined;

  constructor(machine: DrbdMachine, script: string) {
    this.machine = machine;
    this.#script = script;
  }

  get name(): string {
    return this.machine.name;
  }

  sh(script: string, timeoutMs?: number): Promise<string> {
    return this.machine.sh(script, timeoutMs);
  }

  /** Starts the driver, and returns once it answers. */
  async startDriver(): Promise<void> {
    await this.sh(`cat > /run/driver <<'END'
${this.#script}
END
setsid sh /run/driver >> /run/driver.log 2>&1 < /dev/null & echo $! > /run/driver.pid`);
    this.#client?.close();
    this.#client = new Client(`127.0.0.1:${this.machine.csiPort}`, credentials.createInsecure(), { 'grpc.initial_reconnect_backoff_ms': 200, 'grpc.max_reconnect_backoff_ms': 500 });
    for (const giveUpAt = Date.now() + READY_MS; ; await delay(300)) {
      const answer = await this.call('Probe', {}, 5000).catch(() => undefined);
      if (answer !== undefined) return;
      if (Date.now() > giveUpAt) throw new Error(`the driver on ${this.name} does not answer:\n${await this.sh('tail -n 20 /run/driver.log; ps -e | grep -E "node|MainThread"; uptime').catch(String)}`);
    }
  }

  /** As by kill -9; DRBD goes on without it. */
  async killDriver(): Promise<void> {
    await this.sh('kill -9 $(cat /run/driver.pid); while kill -0 $(cat /run/driver.pid) 2>/dev/null; do sleep 0.1; done; true');
  }

  call(name: CsiCall, request: object = {}, timeoutMs = CALL_MS): Promise<Answer> {
    const method = this.#methods.get(name);
    const client = this.#client;
    if (method === undefined || client === undefined) throw new Error(`${name} cannot be called`);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request, new Metadata({ waitForReady: true }), { deadline: Date.now() + timeoutMs }, (error: ServiceError | null, answer?: object) => (error === null ? resolve(answer ?? {}) : reject(error)));
    return promise;
  }

  close(): void {
    this.#client?.close();
  }
}

/** Two nodes whose kernels have DRBD, and the API that they are in. */
export class DrbdCluster implements AsyncDisposable {
  readonly api: ApiServer;
  readonly nodes: readonly [DrbdNode, DrbdNode];
  readonly #folder: string;

  private constructor(api: ApiServer, nodes: readonly [DrbdNode, DrbdNode], folder: string) {
    this.api = api;
    this.nodes = nodes;
    this.#folder = folder;
  }

  static async start({ settings = {}, diskMiB = 4096, launcher = fromSources }: DrbdClusterOptions = {}): Promise<DrbdCluster> {
    const folder = await ownFolder(PREFIX);
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(() => rm(folder, { recursive: true, force: true }));
    const api = cleanup.use(await startApiServer({ binDirectory: process.env['YADO_BIN'] ?? '', manifests: ['storagebackends', 'replicatedvolumes'].map((name) => join(root, `crds/yadokari.dev_${name}.yaml`)) }));
    const kubeconfig = (await readFile(api.kubeconfigPath, 'utf8')).replace('127.0.0.1', HOST_IN_GUESTS);
    const launch = await launcher(api, folder);
    const machine = (number: number) => DrbdMachine.start({ name: `n${number}`, number, peer: 3 - number, folder, diskMiB, memoryMiB: 1024 });
    const [first, second] = await Promise.all([machine(1), machine(2)]);
    cleanup.use(first);
    cleanup.use(second);
    const nodes = [new DrbdNode(first, launch('n1', kubeconfig)), new DrbdNode(second, launch('n2', kubeconfig))] as const;
    await api.client.create(storageBackends, {
      apiVersion: 'yadokari.dev/v1alpha1', kind: 'StorageBackend', metadata: { name: 'drbd' },
      spec: { drbd: { volumeGroup: 'vg', network: replicationAddress(0).concat('/24'), ...settings } },
    });
    const pool = 'thinPool' in settings ? '; modprobe dm_thin_pool; lvcreate -q -l 95%FREE -T vg/pool' : '';
    await Promise.all(nodes.map((node) => node.sh(`export DM_DISABLE_UDEV=1 LVM_SUPPRESS_FD_WARNINGS=1; vgcreate -q vg /dev/vda${pool}`)));
    await Promise.all(nodes.map((node) => node.startDriver()));
    // Each says what it has before volumes can be made.
    while ((await nodes[0].call('Probe'))['ready']?.value !== true) await delay(300);
    const cluster = new DrbdCluster(api, nodes, folder);
    cleanup.move();
    return cluster;
  }

  async volume(id: string): Promise<ReplicatedVolume | undefined> {
    return this.api.client.get(replicatedVolumes, { name: id }).catch(() => undefined);
  }

  /** The volume, once this holds of it. */
  async until(id: string, holds: (volume: ReplicatedVolume) => boolean, patienceMs = 120_000): Promise<ReplicatedVolume> {
    for (const giveUpAt = Date.now() + patienceMs; ; await delay(200)) {
      const volume = await this.volume(id);
      if (volume !== undefined && holds(volume)) return volume;
      if (Date.now() > giveUpAt) throw new Error(`waited in vain: ${JSON.stringify(volume, undefined, 1)}\n${await this.debug()}`);
    }
  }

  /** What a person would look at. */
  async debug(): Promise<string> {
    const all = await Promise.all(this.nodes.map((node) => node.sh('cat /proc/drbd; tail -n 30 /run/driver.log; dmesg | grep -i drbd | tail -n 25').catch(String)));
    return all.map((text, index) => `== n${index + 1}\n${text}`).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) {
      node.close();
      await node.machine[Symbol.asyncDispose]();
    }
    await this.api[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function fromSources(): Promise<Launch> {
  const program = process.env['YADO_CSI'] ?? await bundleProgram({ projectRoot: root, entry: join(root, 'src/bin/yado-csi.ts'), cache: defaultCacheRoot });
  if (program === undefined) throw new Error('there is no yado-csi');
  return (node, kubeconfig) => {
    const command = [...leanNode(process.execPath), program, '--backend', 'drbd', '--storage-backend', 'drbd', '--kubeconfig', '/run/kubeconfig', '--node', node, '--socket', SOCKET, '--state-directory', '/run/state', '--log-level', 'info'];
    return `export PATH='${process.env['PATH']}' HOME=/root
cat > /run/kubeconfig <<'END-OF-FILE'
${kubeconfig}
END-OF-FILE
exec ${command.map((word) => `'${word}'`).join(' ')}`;
  };
}
