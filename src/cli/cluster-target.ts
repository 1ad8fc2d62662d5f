import type { Command } from 'commander';
import { YadoError } from '../base/errors.ts';
import { isNotFound } from '../kube/api-error.ts';
import { KubeClient } from '../kube/client.ts';
import { HttpTransport, loadKubeconfig } from '../kube/transport.ts';
import { virtualMachines, type VirtualMachine } from '../kube/yadokari.ts';
import { kubeconfigPath } from '../local/control/commands.ts';
import { clusterLayout, defaultClusterName, defaultStateRoot } from '../local/layout.ts';
import { networkPlan } from '../local/network-plan.ts';
import { clusterNames, readRecord } from '../local/record.ts';
import { nearNames } from './near-names.ts';

/** Options of every command on objects of some cluster, local or not. */
export interface TargetOptions {
  readonly namespace?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly name?: string;
  readonly stateRoot: string;
}

export interface ClusterTarget {
  readonly client: KubeClient;
  /** From -n, else that of the kubeconfig's context, else `default`. */
  readonly namespace: string;
  /** URL of the API server. */
  readonly server: string;
}

export function withTargetOptions(command: Command): Command {
  return command
    .option('-n, --namespace <namespace>', "the namespace (default: that of the kubeconfig's context)")
    .option('--kubeconfig <file>', 'kubeconfig to use (default: as kubectl chooses)')
    .option('--context <context>', 'context of the kubeconfig (default: its current one)')
    .option('--name <name>', 'the local cluster, whatever the kubeconfig says')
    .option('--state-root <folder>', 'where local clusters keep their state', defaultStateRoot);
}

/** Opens the cluster that the options name, and closes it when `work` is done. Throws YadoError `NoCluster` when there is none. */
export async function withTarget<T>(options: TargetOptions, work: (target: ClusterTarget) => Promise<T>): Promise<T> {
  const file = options.name === undefined ? options.kubeconfig : kubeconfigPath(clusterLayout(options.stateRoot, options.name), 'admin');
  const config = load(file, options);
  const client = new KubeClient(new HttpTransport(config));
  try {
    const namespace = options.namespace ?? config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
    return await work({ client, namespace, server: config.getCurrentCluster()?.server ?? '' });
  } finally {
    client.close();
  }
}

function load(file: string | undefined, { name, context }: TargetOptions): ReturnType<typeof loadKubeconfig> {
  const start = `start a local cluster with \`yado up${name === undefined || name === defaultClusterName ? '' : ` --name ${name}`}\`, or name one with --kubeconfig, --context or --name`;
  try {
    const config = loadKubeconfig({ ...(file === undefined ? {} : { kubeconfig: file }), ...(context === undefined || name !== undefined ? {} : { context }) });
    // What the library makes up when there is no kubeconfig at all.
    if (config.getCurrentContext() === 'loaded-context' && config.getCurrentCluster()?.server === 'http://localhost:8080') throw new Error('there is no kubeconfig');
    if (config.getCurrentCluster() === null) throw new Error(`the context "${config.getCurrentContext()}" names no cluster`);
    return config;
  } catch (cause) {
    throw new YadoError('NoCluster', `No cluster to speak to; ${start}`, { cause, disposition: 'stalled' });
  }
}

/** Throws YadoError `NoSuchVirtualMachine`, which names what was probably meant. */
export async function findVirtualMachine({ client, namespace }: ClusterTarget, name: string, signal: AbortSignal): Promise<VirtualMachine> {
  try {
    return await client.get(virtualMachines, { name, namespace }, signal);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const all = (await client.list(virtualMachines, { signal }).catch(() => ({ items: [] }))).items.map(({ metadata }) => metadata);
    throw new YadoError('NoSuchVirtualMachine', unknownMachine(name, namespace, all), { disposition: 'stalled' });
  }
}

/** What is said of a machine that is not there, given all that are. */
export function unknownMachine(name: string, namespace: string, all: readonly { readonly name: string; readonly namespace?: string }[]): string {
  const own = all.filter((machine) => machine.namespace === namespace).map((machine) => machine.name);
  const near = nearNames(name, own);
  const elsewhere = all.find((machine) => machine.name === name)?.namespace;
  const hint = elsewhere !== undefined ? `there is one in namespace ${elsewhere}: add -n ${elsewhere}`
    : near.length > 0 ? `did you mean ${near.join(' or ')}?`
    : own.length > 0 ? `there are: ${own.slice(0, 10).join(', ')}${own.length > 10 ? ', …' : ''}`
    : 'the namespace has none';
  return `There is no virtual machine ${name} in namespace ${namespace}; ${hint}`;
}

/** Name of the local cluster with this API server, if it is one of this host. */
export async function localClusterOf(server: string, stateRoot: string): Promise<string | undefined> {
  for (const name of await clusterNames(stateRoot)) {
    const record = await readRecord(clusterLayout(stateRoot, name)).catch(() => undefined);
    if (record !== undefined && server === `https://${networkPlan(record.index).gateway}:6443`) return name;
  }
  return undefined;
}
