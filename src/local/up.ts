import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../base/errors.ts';
import type { Progress, ProgressStep } from '../base/progress.ts';
import { requireRoot } from './cluster.ts';
import { ControlClient } from './control-client.ts';
import { LocalError } from './errors.ts';
import { ensureHostNetwork, readNetworkUse } from './host-network.ts';
import { kubeconfigEntries } from './kubeconfig.ts';
import { clusterLayout, contextName, type ClusterLayout } from './layout.ts';
import { withLock } from './lock.ts';
import { chooseIndex, conflictsOf, networkPlan } from './network-plan.ts';
import { podRoutes } from './node/foreign-cni.ts';
import { Pki } from './pki.ts';
import { deleteState, readRecord, reservedIndexes, writeRecord, type ClusterRecord } from './record.ts';
import { renew } from './renewal.ts';
import { installPrograms, programPaths } from './installed-programs.ts';
import { sweepCluster } from './sweep.ts';
import { mergeKubeconfigFile, removeFromKubeconfigFile } from './user-kubeconfig.ts';

export interface UpOptions {
  readonly stateRoot: string;
  /** All of the record but what is chosen here. `nodes` is a lower bound: a cluster never shrinks. */
  readonly cluster: Omit<ClusterRecord, 'version' | 'index'>;
  /** Program and arguments of the detached supervisor. */
  readonly supervisor: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
  /** Called once a supervisor that this call started answers, long before the nodes are Ready: the time to tie it. */
  readonly onStarted?: (client: ControlClient) => Promise<void>;
  /** From start to Ready. Default 120 000. */
  readonly timeoutMs?: number;
}

/** Locked across all clusters of the host while one of them takes its subnet. */
const subnetLock = '/run/lock/yadokari-subnets.lock';

/** Brings a cluster up, or to what is asked, from whatever an earlier run left. Resolves once all nodes are Ready. */
export async function up(options: UpOptions): Promise<ClusterLayout> {
  await requireRoot();
  const layout = clusterLayout(options.stateRoot, options.cluster.name);
  await mkdir(layout.root, { recursive: true, mode: 0o700 });
  const onWait = () => options.progress.line(`Waiting for another command on cluster ${layout.name} to end`);
  await withLock(layout.lock, () => upLocked(layout, options), { onWait, ...(options.signal === undefined ? {} : { signal: options.signal }) });
  return layout;
}

async function upLocked(layout: ClusterLayout, options: UpOptions): Promise<void> {
  const client = new ControlClient(layout);
  const before = await readRecord(layout);
  const nodes = Math.max(options.cluster.nodes, before?.nodes ?? 0);
  if (before !== undefined && (await client.running(options.signal))) {
    await renew(layout, before, { ...options, cluster: { ...options.cluster, nodes } }, client);
  } else {
    await startSupervisor(layout, before, { ...options, cluster: { ...options.cluster, nodes } });
  }
  if (options.cluster.userKubeconfig !== undefined) await publish(layout, options.cluster.userKubeconfig);
}

async function startSupervisor(layout: ClusterLayout, before: ClusterRecord | undefined, options: UpOptions): Promise<void> {
  if (before !== undefined) await sweepCluster(layout, before);
  await withLock(subnetLock, async () => {
    const index = before === undefined ? chooseIndex({ ...(await readNetworkUse()), reserved: await reservedIndexes(options.stateRoot) }) : await sameIndex(before);
    await installPrograms(layout, options.cluster);
    await writeRecord(layout, { ...options.cluster, ...programPaths(layout, options.cluster), version: 1, index });
    // The bridge is what others see: it must stand before the lock goes.
    const plan = networkPlan(index);
    await ensureHostNetwork(plan, layout.root, podRoutes(plan, options.cluster.cni));
  });
  await options.progress.step(`Starting Kubernetes, ${options.cluster.nodes === 1 ? 'one node' : `${options.cluster.nodes} nodes`}`, (step) => launch(layout, options, step));
}

async function sameIndex(before: ClusterRecord): Promise<number> {
  const taken = conflictsOf(networkPlan(before.index), await readNetworkUse());
  if (taken.length > 0) {
    throw new LocalError('SubnetTaken', `Cluster ${before.name} was made with ${networkPlan(before.index).subnet}, but the host now has ${taken.join(' and ')}; free it, or begin anew with \`yado down --delete --name ${before.name}\`.`);
  }
  return before.index;
}

async function launch(layout: ClusterLayout, options: UpOptions, step: ProgressStep): Promise<void> {
  const [file = '', ...args] = options.supervisor;
  await mkdir(layout.logs, { recursive: true, mode: 0o700 });
  const logPath = join(layout.logs, 'supervisor.log');
  const log = openSync(logPath, 'a', 0o600);
  const child = spawn(file, args, { detached: true, stdio: ['ignore', log, log], env: options.environment, cwd: '/' });
  closeSync(log);
  const dead = new Promise<never>((_resolve, reject) => {
    child.once('error', (cause) => reject(new LocalError('SupervisorFailed', 'The supervisor could not be started.', { cause })));
    child.once('exit', (code) => reject(new LocalError('SupervisorFailed', `The supervisor ended at once (exit code ${code}); see ${logPath}.`)));
  });
  dead.catch(() => {});
  const timeout = AbortSignal.timeout(options.timeoutMs ?? 120_000);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  try {
    await Promise.race([followToReady(new ControlClient(layout), options, step, signal), dead]);
  } catch (error) {
    if (child.pid !== undefined && child.exitCode === null) child.kill('SIGTERM');
    throw timeout.aborted ? new LocalError('StartTimeout', `The cluster was not ready in time; its logs are in ${layout.logs}. A slow host may need a longer --timeout.`, { cause: error }) : error;
  }
  child.removeAllListeners();
  child.unref();
}

async function followToReady(client: ControlClient, { onStarted }: UpOptions, step: ProgressStep, signal: AbortSignal): Promise<void> {
  while (!(await client.running(signal))) await delay(15, undefined, { signal });
  await onStarted?.(client);
  for await (const event of client.events(signal)) {
    if (event.kind === 'ready') return;
    if (event.kind === 'failed') throw new LocalError('StartFailed', event.message);
    step.update(`${event.subject} ${event.message}`);
  }
  signal.throwIfAborted();
  throw new LocalError('SupervisorFailed', 'The supervisor ended before the cluster was ready.');
}

async function publish(layout: ClusterLayout, path: string): Promise<void> {
  const pki = new Pki(layout.pki);
  const record = await readRecord(layout);
  const [authority, credentials] = await Promise.all([pki.pair('cluster-ca'), pki.pair('admin')]);
  const server = `https://${networkPlan(record?.index ?? 0).gateway}:6443`;
  await mergeKubeconfigFile(path, kubeconfigEntries({ name: contextName(layout.name), server, authorityCertificate: authority.certificate, credentials }));
}

export interface DownOptions {
  readonly stateRoot: string;
  readonly name: string;
  readonly deleteState: boolean;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

/** Takes a cluster down, in order when its supervisor lives, by force else. No error when there is none. */
export async function down(options: DownOptions): Promise<void> {
  await requireRoot();
  const layout = clusterLayout(options.stateRoot, options.name);
  const client = new ControlClient(layout);
  if (await client.running(options.signal)) {
    await options.progress.step(`Stopping cluster ${options.name}`, () => client.down({ deleteState: options.deleteState }, options.signal));
  }
  const record = await readRecord(layout).catch((error: unknown) => {
    options.progress.line(messageOf(error));
    return undefined;
  });
  if (record !== undefined) {
    await sweepCluster(layout, record);
    if (options.deleteState && record.userKubeconfig !== undefined) await removeFromKubeconfigFile(record.userKubeconfig, contextName(options.name));
  }
  if (options.deleteState) await deleteState(layout);
  await rm(layout.controlSocket, { force: true });
}
