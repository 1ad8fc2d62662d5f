import { mkdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeClient } from '../kube/client.ts';
import { detectHierarchies } from './cgroup.ts';
import type { Component, ComponentStatus } from './component.ts';
import type { ClusterContext } from './context.ts';
import { kubeconfigPath } from './control/commands.ts';
import { ControlPlane } from './control/control-plane.ts';
import { clusterManifests } from './control/cluster-manifests.ts';
import { applyAll } from './control/manifests.ts';
import { LocalError } from './errors.ts';
import { ensureHostNetwork } from './host-network.ts';
import { podRoutes } from './node/foreign-cni.ts';
import { requireFreePorts } from './host-ports.ts';
import { turnOverLog } from './log-file.ts';
import { LocalNode, type NodeState } from './node/local-node.ts';
import { nodeCertificates } from './pki.ts';
import type { ClusterRecord } from './record.ts';
import { untilClasses } from './storage/objects.ts';
import { CephServer } from './storage/servers/ceph-server.ts';
import { sweepCluster } from './sweep.ts';

export interface ClusterStatus {
  readonly name: string;
  readonly supervisorPid: number;
  readonly kubeconfig: string;
  readonly ready: boolean;
  readonly components: readonly ComponentStatus[];
  readonly nodes: readonly { readonly name: string; readonly address: string; readonly state: NodeState; readonly initPid?: number; readonly components: readonly ComponentStatus[] }[];
}

interface NodeList {
  readonly items: readonly { readonly metadata: { readonly name: string }; readonly spec?: { readonly taints?: readonly { readonly key: string }[] }; readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string; readonly lastHeartbeatTime?: string }[] } }[];
}

/** A whole cluster, started and stopped in the right order. Every operation is idempotent. */
export class Cluster {
  #context: ClusterContext;
  readonly #control: ControlPlane;
  #ceph: CephServer | undefined;
  readonly #nodes = new Map<string, LocalNode>();
  #client: KubeClient | undefined;
  #ready = false;
  #apiUp: Promise<void> = Promise.resolve();
  readonly #life = new AbortController();

  constructor(context: ClusterContext) {
    this.#context = context;
    this.#control = new ControlPlane(context);
  }

  /** Resolves once every node is Ready and all manifests are applied. */
  async start(): Promise<void> {
    const { plan, layout, pki, record } = this.#context;
    const signal = this.#life.signal;
    await mkdir(layout.root, { recursive: true, mode: 0o700 });
    await Promise.all([requireFreePorts(plan), ensureHostNetwork(plan, layout.root, podRoutes(plan, record.cni)), pki.ensureAuthorities()]);
    this.#apiUp = this.#control.prepare().then(() => this.#control.start(signal));
    // It is awaited by several; none of them may be there yet when it fails.
    this.#apiUp.catch(() => {});
    const nodes = this.#addNodes(record.nodes);
    await Promise.all([
      this.#apiUp.then(() => Promise.all([this.#control.startClients(signal), this.#install(signal)])),
      ...nodes.map((node) => this.#startNode(node)),
      this.#startServers(signal),
    ]);
    this.#ready = true;
    this.#context.report('cluster', 'ready');
  }

  /** Adds nodes until there are `count`. Nodes are never taken away. */
  async grow(count: number): Promise<void> {
    await Promise.all(this.#addNodes(count).map((node) => this.#startNode(node)));
  }

  async nodeStart(name: string): Promise<void> {
    const node = this.#node(name);
    if (node.state !== 'running') await this.#startNode(node);
  }

  async nodeStop(name: string): Promise<void> {
    await this.#node(name).stop();
    this.#context.report(name, 'stopped');
  }

  async nodeCrash(name: string): Promise<void> {
    await this.#node(name).crash();
    this.#context.report(name, 'crashed, as was asked');
  }

  async componentRestart(name: string): Promise<void> {
    const component = this.#components().find((candidate) => candidate.spec.name === name);
    if (component === undefined) {
      throw new LocalError('NoSuchComponent', `There is no component ${name}; there are: ${this.#components().map(({ spec }) => spec.name).join(', ')}.`);
    }
    await component.restart(this.#life.signal);
  }

  /** Brings a running cluster to the volumes of this record: objects, servers and drivers that are missing are there afterwards. */
  async renewStorage({ storage, manifests }: ClusterRecord): Promise<void> {
    if (!this.#ready) throw new LocalError('NotReady', 'The cluster is not ready yet; try again once it is.', { disposition: 'retry' });
    const { signal } = this.#life;
    this.#context = { ...this.#context, record: { ...this.#context.record, manifests, ...(storage === undefined ? {} : { storage }) } };
    await this.#applyManifests(signal);
    await this.#control.renew(this.#context, signal);
    // Drivers first wait for what says where the server is, and their sidecars for them: it is better that this is short.
    await this.#startServers(signal);
    await Promise.all([...this.#nodes.values()].map((node) => node.renew(this.#context, signal)));
    await this.#classes(signal);
  }

  /** Stops everything and leaves nothing but the state folder. */
  async stop(): Promise<void> {
    this.#ready = false;
    this.#life.abort(new LocalError('Stopping', 'The cluster is being taken down.'));
    await Promise.all([...this.#nodes.values()].map((node) => node.stop().catch((error: unknown) => this.#context.report(node.name, `did not stop cleanly: ${String(error)}`, 'warning'))));
    await this.#ceph?.stop();
    await this.#control.stop();
    this.#client?.close();
    await sweepCluster(this.#context.layout, this.#context.record);
  }

  async status(): Promise<ClusterStatus> {
    const statuses = (components: readonly Component[]) => Promise.all(components.map((component) => component.status()));
    return {
      name: this.#context.layout.name,
      supervisorPid: process.pid,
      kubeconfig: kubeconfigPath(this.#context.layout, 'admin'),
      ready: this.#ready,
      components: await statuses(this.#hostComponents()),
      nodes: await Promise.all([...this.#nodes.values()].map(async (node) => ({
        name: node.name, address: node.address, state: node.state,
        ...(node.initPid === undefined ? {} : { initPid: node.initPid }),
        components: await statuses(node.components),
      }))),
    };
  }

  /** Keeps logs within their limits. To be called now and then. */
  async turnOverLogs(): Promise<void> {
    await Promise.all(this.#components().map(({ spec }) => turnOverLog(spec.logFile)));
  }

  #components(): readonly Component[] {
    return [...this.#hostComponents(), ...[...this.#nodes.values()].flatMap((node) => node.components)];
  }

  /** Those that run on the host itself. */
  #hostComponents(): readonly Component[] {
    return [...this.#control.components, ...(this.#ceph?.components ?? [])];
  }

  async #startServers(signal: AbortSignal): Promise<void> {
    if (this.#context.record.storage?.servers?.includes('ceph') !== true) return;
    this.#ceph ??= new CephServer(this.#context);
    await this.#ceph.start(signal);
  }

  #addNodes(count: number): readonly LocalNode[] {
    const added: LocalNode[] = [];
    for (let ordinal = this.#nodes.size + 1; ordinal <= count; ordinal += 1) added.push(new LocalNode(this.#context, ordinal));
    for (const node of added) this.#nodes.set(node.name, node);
    return added;
  }

  #node(name: string): LocalNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new LocalError('NoSuchNode', `There is no node ${name}; there are: ${[...this.#nodes.keys()].join(', ')}.`);
    return node;
  }

  async #startNode(node: LocalNode): Promise<void> {
    const signal = this.#life.signal;
    const { pki, plan, report, clock } = this.#context;
    const begun = clock.now();
    await pki.ensure(nodeCertificates(plan, node.name, Number(node.name.slice(1))));
    await node.boot(signal);
    report(node.name, `booted after ${clock.now() - begun} ms`);
    await this.#apiUp;
    await node.join(signal);
    await this.#nodeReady(node, signal);
    report(node.name, `Ready after ${clock.now() - begun} ms`);
  }

  /** System objects, definitions and what else is to be applied; then the operator. */
  async #install(signal: AbortSignal): Promise<void> {
    await this.#applyManifests(signal);
    await this.#control.ready(signal);
    await Promise.all(['operator', 'snapshot-controller'].map((name) => this.#control.startOf(name, signal)));
    await this.#classes(signal);
  }

  /** The chart's operator comes later, and makes them then. */
  async #classes(signal: AbortSignal): Promise<void> {
    const { storage, operatorProgram } = this.#context.record;
    if (operatorProgram !== undefined && storage?.kinds.includes('local') === true) await untilClasses(await this.#api(), signal);
  }

  async #applyManifests(signal: AbortSignal): Promise<void> {
    const { plan, layout, record, report, clock } = this.#context;
    const begun = clock.now();
    const manifests = await clusterManifests(plan, record);
    const outcome = await applyAll(await this.#api(), manifests, { signal, memory: layout.applied });
    report('manifests', `${manifests.length} ${outcome} in ${clock.now() - begun} ms`);
  }

  async #nodeReady(node: LocalNode, signal: AbortSignal): Promise<void> {
    // What the API remembers of an earlier life does not count; its times are whole seconds.
    const since = Math.floor(node.startedAt / 1000) * 1000;
    for (;;) {
      const text = await (await this.#api()).raw({ method: 'GET', path: `/api/v1/nodes?fieldSelector=metadata.name%3D${node.name}`, signal }).catch(() => '{"items":[]}');
      const found = (JSON.parse(text) as NodeList).items[0];
      const ready = found?.status?.conditions?.find(({ type }) => type === 'Ready');
      // The taint goes a moment after the condition comes; pods are scheduled only then.
      const tainted = found?.spec?.taints?.some(({ key }) => key === 'node.kubernetes.io/not-ready' || key === 'node.kubernetes.io/unreachable') ?? false;
      if (!tainted && ready?.status === 'True' && Date.parse(ready.lastHeartbeatTime ?? '') >= since) return;
      await delay(50, undefined, { signal });
    }
  }

  async #api(): Promise<KubeClient> {
    if (this.#client === undefined) {
      // Loaded late: the kubeconfig library is slow to load, and the first processes need not wait for it.
      const [{ KubeClient: Client }, { HttpTransport, loadKubeconfig }] = await Promise.all([import('../kube/client.ts'), import('../kube/transport.ts')]);
      this.#client ??= new Client(new HttpTransport(loadKubeconfig({ kubeconfig: kubeconfigPath(this.#context.layout, 'admin') })));
    }
    return this.#client;
  }
}

/** Throws when this host cannot run a cluster at all. */
export async function requireRoot(): Promise<void> {
  if (process.platform !== 'linux') throw new LocalError('NotLinux', `The local cluster is made of Linux namespaces, and this is ${process.platform}: run it in a Linux machine, or use a cluster of your own by its kubeconfig.`);
  if (process.getuid?.() !== 0) throw new LocalError('NotRoot', 'The local cluster makes namespaces and bridges: run this as root (sudo).');
  await detectHierarchies();
}
