import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../../base/process.ts';
import { destroyCgroup, ensureCgroup } from '../cgroup.ts';
import { Component, onlyChildOf, type ComponentSpec } from '../component.ts';
import { renewComponents } from '../component-set.ts';
import type { ClusterContext } from '../context.ts';
import { accepting } from '../control/probe.ts';
import { hostPrefix, nodePrefix } from '../entry.ts';
import { LocalError } from '../errors.ts';
import { abortFuse, fuseConnections } from '../../base/fuse-connections.ts';
import { readIfExists, writeFileAtomically } from '../file.ts';
import { clusterCgroup } from '../layout.ts';
import { macAddress, nodeAddress, nodeNamespace } from '../network-plan.ts';
import { leanNode } from '../lean-node.ts';
import { openLog } from '../log-file.ts';
import { bootScript } from './boot-script.ts';
import { birdAgain } from '../host-network.ts';
import { kubeletCommand, kubeProxyCommand } from './config.ts';
import { prepareNodeFolder, writeStorageCredentials } from './folder.ts';
import { sweepVolumes } from '../storage/sweep.ts';
import { storageCommands, type NodeCommand } from '../storage/node-commands.ts';
import { networkFlag, podRoutes } from './foreign-cni.ts';

export type NodeState = 'stopped' | 'starting' | 'running' | 'stopping' | 'crashed';

/** One host of the cluster: a set of namespaces with PID 1, and the daemons of a production host in them. */
export class LocalNode {
  readonly name: string;
  readonly address: string;
  readonly #ordinal: number;
  #context: ClusterContext;
  readonly #cgroup: string;
  readonly #namespace: string;
  #state: NodeState = 'stopped';
  #init: { readonly child: ChildProcess; readonly pid: number; readonly ended: Promise<void> } | undefined;
  #components: readonly Component[] = [];
  #startedAt = 0;

  constructor(context: ClusterContext, ordinal: number) {
    this.name = `n${ordinal}`;
    this.#ordinal = ordinal;
    this.address = nodeAddress(context.plan, ordinal);
    this.#context = context;
    this.#cgroup = `${clusterCgroup(context.layout.name)}/${this.name}`;
    this.#namespace = nodeNamespace(context.plan, this.name);
  }

  get state(): NodeState {
    return this.#state;
  }

  get components(): readonly Component[] {
    return this.#components;
  }

  /** When it was last started, in milliseconds since the epoch. */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** Id of PID 1 on the host: the node's files are under /proc/<id>/root. */
  get initPid(): number | undefined {
    return this.#init?.pid;
  }

  /** Namespaces, containerd with the images, libvirtd and BIRD: all that needs no API server. */
  async boot(signal: AbortSignal): Promise<void> {
    if (this.#state !== 'stopped' && this.#state !== 'crashed') throw new LocalError('NodeBusy', `Node ${this.name} is ${this.#state}; wait, or stop it first.`);
    this.#state = 'starting';
    this.#startedAt = this.#context.clock.now();
    try {
      await this.#sweep();
      await ensureCgroup(this.#context.hierarchies, this.#cgroup);
      const [folder] = await Promise.all([prepareNodeFolder(this.#context, this.name, this.#ordinal), this.#plug()]);
      await this.#spawnInit(folder);
      this.#components = this.#specs().map((spec) => this.#componentOf(spec));
      await Promise.all([this.#startOf('containerd', signal).then(() => this.#importImages(folder, signal)), this.#startOf('libvirtd', signal), this.#startOf('bird', signal)]);
    } catch (error) {
      await this.#halt('crashed').catch(() => {});
      throw error;
    }
  }

  /** kubelet, kube-proxy and agent: they need the API server. */
  async join(signal: AbortSignal): Promise<void> {
    await Promise.all(['kubelet', 'kube-proxy', 'agent'].map((name) => this.#startOf(name, signal)));
    const storage = this.#storage().map(({ name }) => name);
    // The drivers first: sidecars give up on a driver that they do not find.
    for (const name of storage) await this.#startOf(name, signal);
    this.#state = 'running';
  }

  /** Takes another description of the cluster, of which volumes alone may differ. A node that does not run has them at its next start. */
  async renew(context: ClusterContext, signal: AbortSignal): Promise<void> {
    if (this.#state === 'starting' || this.#state === 'stopping') throw new LocalError('NodeBusy', `Node ${this.name} is ${this.#state}; try again in a moment.`, { disposition: 'retry' });
    this.#context = context;
    if (this.#state !== 'running') return;
    await writeStorageCredentials(context, this.name);
    this.#components = await renewComponents(this.#components, this.#specs(), (spec) => this.#componentOf(spec), signal);
  }

  #componentOf(spec: ComponentSpec): Component {
    return new Component(spec, this.#context.clock, this.#context.report);
  }

  /** Ends the daemons in order, then the host. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopping';
    const named = (...names: readonly string[]) => this.#components.filter((component) => names.some((name) => component.spec.name.endsWith(`/${name}`)));
    await Promise.all(named('kubelet', 'kube-proxy', 'agent', ...this.#storage().map(({ name }) => name)).map((component) => component.stop()));
    await Promise.all(named('libvirtd', 'containerd', 'bird').map((component) => component.stop()));
    await this.#halt('stopped');
  }

  /** Pulls the plug: SIGKILL for PID 1, and so for everything on the node. */
  async crash(): Promise<void> {
    if (this.#init === undefined) throw new LocalError('NodeNotRunning', `Node ${this.name} is not running; start it with \`yado node start ${this.name}\`.`);
    await this.#halt('crashed');
  }

  async #halt(state: 'stopped' | 'crashed'): Promise<void> {
    const init = this.#init;
    this.#init = undefined;
    if (init !== undefined) {
      const connections = await fuseConnections([init.pid]);
      init.child.kill('SIGKILL');
      await abortFuse(connections);
      await init.ended;
    }
    await Promise.all(this.#components.map((component) => component.stop()));
    this.#components = [];
    await this.#sweep();
    this.#state = state;
  }

  /** Removes what an earlier life left in the host's kernel. */
  async #sweep(): Promise<void> {
    await destroyCgroup(this.#context.hierarchies, this.#cgroup);
    await run('ip', ['link', 'del', this.#namespace]).catch(() => {});
    await run('ip', ['netns', 'del', this.#namespace]).catch(() => {});
    await sweepVolumes(join(this.#context.layout.nodes, this.name));
  }

  async #plug(): Promise<void> {
    const { plan, record } = this.#context;
    const { bridge, gateway } = plan;
    const mac = macAddress(plan, Number(this.address.split('.').at(-1)));
    const name = this.#namespace;
    await run('ip', ['-batch', '-'], { input: `netns add ${name}\nlink add ${name} type veth peer name eth0 address ${mac} netns ${name}\nlink set ${name} master ${bridge} up\n` });
    await run('ip', ['-n', name, '-batch', '-'], { input: `link set lo up\naddr add ${this.address}/24 dev eth0\nlink set eth0 up\nroute add default via ${gateway}\n${podRoutes(plan, record.cni, this.#ordinal)}` });
  }

  async #spawnInit(folder: string): Promise<void> {
    const { hierarchies, environment, layout } = this.#context;
    const files = hierarchies.map((hierarchy) => join(hierarchy.mountPoint, this.#cgroup, 'cgroup.procs'));
    const script = bootScript({ hostname: this.name, folder, hierarchies, bridged: this.#context.record.cni === 'bridge' });
    const leaves = await this.#ensureLeaves();
    // The namespace has the node's cgroup as its root, in which no process may stay: in version 2 only leaves have any.
    const words: readonly string[] = [
      ...hostPrefix(files), 'unshare', '--cgroup', ...hostPrefix(leaves), 'nsenter', `--net=/run/netns/${this.#namespace}`,
      'unshare', '--mount', '--pid', '--fork', '--uts', '--ipc', '--kill-child', 'sh', '-c', script,
    ];
    const [file = '', ...args] = words;
    const log = await openLog(join(layout.logs, this.name, 'boot.log'));
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', log.descriptor], env: { ...environment }, cwd: '/' });
    log.close();
    const ended = new Promise<void>((resolve) => {
      child.once('error', () => resolve());
      child.once('exit', () => resolve());
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve());
      void ended.then(() => reject(new LocalError('NodeBootFailed', `Node ${this.name} did not boot; see ${layout.logs}/${this.name}/boot.log.`)));
    });
    const pid = child.pid === undefined ? undefined : await onlyChildOf(child.pid);
    if (pid === undefined) throw new LocalError('NodeBootFailed', `Node ${this.name} ended while it booted; see ${layout.logs}/${this.name}/boot.log.`);
    this.#init = { child, pid, ended };
    void ended.then(() => this.#lost(child));
  }

  /** PID 1 ended though nobody of us asked for it. */
  #lost(child: ChildProcess): void {
    if (this.#init?.child !== child) return;
    this.#context.report(this.name, 'crashed: its PID 1 ended', 'warning');
    void this.#halt('crashed').catch((error: unknown) => this.#context.report(this.name, `could not be cleaned up: ${String(error)}`, 'warning'));
  }

  #specs(): readonly ComponentSpec[] {
    const { record, plan, environment, layout, nodeExecutable } = this.#context;
    const pid = this.#init?.pid ?? 0;
    const root = `/proc/${pid}/root`;
    const prefix = nodePrefix(this.#leaves(), pid);
    const spec = (name: string, command: readonly string[], rest: Partial<ComponentSpec> = {}): ComponentSpec =>
      ({ name: `${this.name}/${name}`, command, prefix, forked: true, environment, logFile: join(layout.logs, this.name, `${name}.log`), ...rest });
    const agent = record.agentProgram;
    return [
      spec('containerd', ['containerd', '--config=/etc/containerd/config.toml'], { ready: (signal) => accepting({ path: `${root}/run/containerd/containerd.sock` }, signal) }),
      spec('libvirtd', ['libvirtd', '-f', '/etc/libvirt/libvirtd.conf', '-p', '/run/libvirtd.pid'], { ready: (signal) => accepting({ path: `${root}/run/libvirt/libvirt-sock` }, signal) }),
      ...(record.cni === 'bridge' ? [] : [spec('bird', ['bird', '-f', '-c', '/etc/yadokari/bird.conf', '-s', '/run/yadokari/bird.ctl'], birdAgain)]),
      spec('kubelet', kubeletCommand(record.binaries, this.name, this.address)),
      spec('kube-proxy', kubeProxyCommand(record.binaries, this.name, plan)),
      ...(agent === undefined ? [] : [spec('agent', [
        ...leanNode(nodeExecutable), agent, '--kubeconfig', '/etc/yadokari/agent.kubeconfig', '--node', this.name,
        '--node-address', this.address, '--metrics-address', `${this.address}:9402`, '--cluster-dns', plan.dnsAddress, ...networkFlag(record.cni),
      ])]),
      ...this.#storage().map(({ name, command, socket, port }) => spec(name, command, {
        environment: { ...environment, NODE_NAME: this.name },
        ...(socket === undefined ? {} : { ready: (signal: AbortSignal) => accepting({ path: root + socket }, signal) }),
        ...(port === undefined ? {} : { ready: (signal: AbortSignal) => accepting({ host: this.address, port }, signal) }),
      })),
    ];
  }

  #storage(): readonly NodeCommand[] {
    const { record: { storage }, plan, nodeExecutable } = this.#context;
    return storage === undefined ? [] : storageCommands({ storage, plan, node: this.name, nodeExecutable });
  }

  async #ensureLeaves(): Promise<readonly string[]> {
    const leaves = this.#leaves();
    for (const file of leaves) await mkdir(dirname(file), { recursive: true });
    return leaves;
  }

  /** The files by which processes enter the node's cgroup, where they may be. */
  #leaves(): readonly string[] {
    return this.#context.hierarchies.map(({ mountPoint, version }) => join(mountPoint, this.#cgroup, version === 2 ? 'init' : '', 'cgroup.procs'));
  }

  async #startOf(name: string, signal: AbortSignal): Promise<void> {
    await this.#components.find((component) => component.spec.name === `${this.name}/${name}`)?.start(signal);
  }

  /** Imports each archive once: containerd's folder and the note of what it got live and die together. One after the other: what two share is lost to both when they come at once. */
  async #importImages(folder: string, signal: AbortSignal): Promise<void> {
    const pid = this.#init?.pid;
    const [file = '', ...prefix] = nodePrefix(this.#leaves(), pid ?? 0);
    for (const archive of this.#context.record.images) {
      const { size, mtimeMs } = await stat(archive).catch((cause: unknown) => {
        throw new LocalError('ImageArchiveMissing', `The image archive ${archive} cannot be read.`, { cause });
      });
      const note = join(folder, 'var/lib/containerd', `.imported-${createHash('sha256').update(`${archive} ${size} ${mtimeMs}`).digest('hex').slice(0, 16)}`);
      if ((await readIfExists(note)) !== undefined) continue;
      await run(file, [...prefix, 'ctr', '-n', 'k8s.io', 'images', 'import', archive], { signal, env: { ...this.#context.environment } });
      await writeFileAtomically(note, `${archive}\n`);
    }
  }
}
