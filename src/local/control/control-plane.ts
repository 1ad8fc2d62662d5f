import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureCgroup, entryFiles } from '../cgroup.ts';
import { Component, type ComponentSpec } from '../component.ts';
import { renewComponents } from '../component-set.ts';
import type { ClusterContext } from '../context.ts';
import { hostPrefix } from '../entry.ts';
import { writeFileAtomically } from '../file.ts';
import { birdAgain, hostBirdConfig } from '../host-network.ts';
import { kubeconfigText } from '../kubeconfig.ts';
import { clusterCgroup } from '../layout.ts';
import { leanNode } from '../lean-node.ts';
import { controlPlaneCertificates } from '../pki.ts';
import { networkFlag } from '../node/foreign-cni.ts';
import { apiServerCommand, controllerManagerCommand, corefile, etcdCommand, kubeconfigPath, schedulerCommand } from './commands.ts';
import { accepting, answering, type ApiAccess } from './probe.ts';

const kubeconfigOwners = ['admin', 'controller-manager', 'scheduler', 'coredns', 'operator', 'csi'] as const;

/** The cluster's processes on the host: etcd, Kubernetes' control plane, DNS, BIRD and our operator. */
export class ControlPlane {
  #components: readonly Component[];
  #context: ClusterContext;
  #api: ApiAccess | undefined;

  constructor(context: ClusterContext) {
    this.#context = context;
    this.#components = this.#specs().map((spec) => this.#componentOf(spec));
  }

  get components(): readonly Component[] {
    return this.#components;
  }

  /** Takes another description of the cluster, of which volumes alone may differ. */
  async renew(context: ClusterContext, signal: AbortSignal): Promise<void> {
    this.#context = context;
    this.#components = await renewComponents(this.#components, this.#specs(), (spec) => this.#componentOf(spec), signal);
  }

  #componentOf(spec: ComponentSpec): Component {
    return new Component(spec, this.#context.clock, this.#context.report);
  }

  /** Certificates, kubeconfigs and configuration files. */
  async prepare(): Promise<void> {
    const { pki, plan, layout, hierarchies } = this.#context;
    await ensureCgroup(hierarchies, this.#cgroup);
    await pki.ensure(controlPlaneCertificates(plan));
    const authority = await pki.pair('cluster-ca');
    const source = { name: layout.name, server: `https://${plan.gateway}:6443`, authorityCertificate: authority.certificate };
    const resolvConf = await readFile('/etc/resolv.conf', 'utf8').catch(() => '');
    await Promise.all([
      ...kubeconfigOwners.map(async (who) => writeFileAtomically(kubeconfigPath(layout, who), kubeconfigText({ ...source, credentials: await pki.pair(who) }))),
      writeFileAtomically(join(layout.run, 'Corefile'), corefile({ ...this.#context, binaries: this.#context.record.binaries }, resolvConf)),
      writeFileAtomically(join(layout.run, 'bird.conf'), hostBirdConfig(plan)),
    ]);
    this.#api = { host: plan.gateway, authorityCertificate: authority.certificate, credentials: await pki.pair('admin') };
  }

  /** Resolves once the API server answers authenticated requests. */
  async start(signal: AbortSignal): Promise<void> {
    await this.startOf('etcd', signal);
    await Promise.all([this.startOf('kube-apiserver', signal), this.startOf('bird', signal)]);
  }

  /** Those who need the API server's default roles, and would give up without them. */
  async startClients(signal: AbortSignal): Promise<void> {
    if (this.#api !== undefined) await answering(this.#api, '/readyz/poststarthook/rbac/bootstrap-roles', signal);
    await Promise.all(['kube-controller-manager', 'kube-scheduler', 'coredns'].map((name) => this.startOf(name, signal)));
  }

  async startOf(name: string, signal: AbortSignal): Promise<void> {
    await this.components.find((component) => component.spec.name === name)?.start(signal);
  }

  /** Resolves once the API server says that all of it is ready, its default roles included. */
  async ready(signal: AbortSignal): Promise<void> {
    if (this.#api !== undefined) await answering(this.#api, '/readyz', signal);
  }

  /** Writers first, the store last. */
  async stop(): Promise<void> {
    const last = (name: string) => this.components.filter((component) => component.spec.name === name);
    await Promise.all(this.components.filter((component) => !['etcd', 'kube-apiserver'].includes(component.spec.name)).map((component) => component.stop()));
    for (const component of [...last('kube-apiserver'), ...last('etcd')]) await component.stop();
  }

  get #cgroup(): string {
    return `${clusterCgroup(this.#context.layout.name)}/control`;
  }

  #specs(): readonly ComponentSpec[] {
    const { layout, plan, record, environment, hierarchies, nodeExecutable } = this.#context;
    const commands = { plan, layout, binaries: record.binaries };
    const prefix = hostPrefix(entryFiles(hierarchies, this.#cgroup));
    const spec = (name: string, command: readonly string[], rest: Partial<ComponentSpec> = {}): ComponentSpec =>
      ({ name, command, prefix, forked: false, environment, logFile: join(layout.logs, `${name}.log`), ...rest });
    const operator = record.operatorProgram;
    const snapshots = record.storage?.sidecars['snapshot-controller'];
    return [
      spec('etcd', etcdCommand(commands), { ready: (signal) => accepting({ host: plan.gateway, port: 2379 }, signal), graceMs: 10_000 }),
      spec('kube-apiserver', apiServerCommand(commands), { ready: (signal) => this.#answersVersion(signal), graceMs: 3000 }),
      spec('kube-controller-manager', controllerManagerCommand(commands), { graceMs: 1000 }),
      spec('kube-scheduler', schedulerCommand(commands), { graceMs: 1000 }),
      spec('coredns', [`${record.binaries}/coredns`, '-conf', join(layout.run, 'Corefile')], { graceMs: 1000 }),
      ...(record.cni === 'bridge' ? [] : [spec('bird', ['bird', '-f', '-c', join(layout.run, 'bird.conf'), '-s', join(layout.run, 'bird.ctl')], birdAgain)]),
      ...(operator === undefined ? [] : [spec('operator', [
        ...leanNode(nodeExecutable), operator, '--kubeconfig', kubeconfigPath(layout, 'operator'),
        '--metrics-address', `${plan.gateway}:9401`, '--identity', `${layout.name}-operator`, '--openstack', ...networkFlag(record.cni),
      ])]),
      ...(snapshots === undefined ? [] : [spec('snapshot-controller', [snapshots, `--kubeconfig=${kubeconfigPath(layout, 'csi')}`, '--enable-distributed-snapshotting'])]),
    ];
  }

  async #answersVersion(signal: AbortSignal): Promise<void> {
    if (this.#api !== undefined) await answering(this.#api, '/version', signal);
  }
}
