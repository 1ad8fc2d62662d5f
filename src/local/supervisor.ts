import { mkdir } from 'node:fs/promises';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { detectHierarchies } from './cgroup.ts';
import { Chores } from './chores.ts';
import { Cluster } from './cluster.ts';
import type { Report } from './component.ts';
import { serveControl } from './control-server.ts';
import { LocalError } from './errors.ts';
import { EventRing } from './event-ring.ts';
import { writeFileAtomically } from './file.ts';
import { clusterLayout, contextName } from './layout.ts';
import { networkPlan } from './network-plan.ts';
import { Pki } from './pki.ts';
import { deleteState as removeState, readRecord } from './record.ts';
import { removeFromKubeconfigFile } from './user-kubeconfig.ts';

export interface SuperviseOptions {
  readonly stateRoot: string;
  readonly name: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly nodeExecutable: string;
  readonly log: Log;
}

/** Runs a recorded cluster until it is taken down. All its processes die with this one. */
export async function supervise(options: SuperviseOptions): Promise<void> {
  const layout = clusterLayout(options.stateRoot, options.name);
  const record = await readRecord(layout);
  if (record === undefined) throw new LocalError('NoSuchCluster', `There is no cluster ${options.name} under ${options.stateRoot}; make it with \`yado up --name ${options.name}\`.`);
  const events = new EventRing();
  const report: Report = (subject, message, kind = 'info') => {
    events.add({ atMs: Date.now(), kind, subject, message });
    options.log[kind === 'warning' ? 'warn' : 'info']({ subject }, message);
  };
  await mkdir(layout.run, { recursive: true, mode: 0o700 });
  const cluster = new Cluster({
    layout, record, plan: networkPlan(record.index), hierarchies: await detectHierarchies(), pki: new Pki(layout.pki),
    clock: systemClock, report, environment: ofCluster(options.environment), nodeExecutable: options.nodeExecutable,
  });
  const chores = new Chores(() => keepHouse(cluster, layout.status, events), 10_000);
  const ended = Promise.withResolvers<void>();
  let downOnce: Promise<void> | undefined;
  const down = ({ deleteState }: { readonly deleteState: boolean }): Promise<void> => (downOnce ??= (async () => {
    await cluster.stop();
    // What they write would bring the folder back.
    await chores[Symbol.asyncDispose]();
    if (deleteState) {
      if (record.userKubeconfig !== undefined) await removeFromKubeconfigFile(record.userKubeconfig, contextName(record.name));
      await removeState(layout);
    }
    // Whoever asked gets an answer first.
    setTimeout(() => ended.resolve(), 50);
  })().catch((error: unknown) => ended.reject(error as Error)));
  const renewStorage = async (): Promise<void> => {
    await cluster.renewStorage(await readRecord(layout) ?? record);
  };
  const server = await serveControl(layout.controlSocket, { cluster, events, renewStorage, down });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void down({ deleteState: false }));
  cluster.start().then(
    () => events.add({ atMs: Date.now(), kind: 'ready', subject: 'cluster', message: 'ready' }),
    (error: unknown) => {
      if (downOnce !== undefined) return;
      options.log.error({ err: error }, 'the cluster could not be started');
      events.add({ atMs: Date.now(), kind: 'failed', subject: 'cluster', message: messageOf(error) });
    },
  ).then(() => chores.now()).catch(() => {});
  try {
    await ended.promise;
  } finally {
    await chores[Symbol.asyncDispose]();
    server.close();
    server.closeAllConnections();
  }
}

/** Kubernetes' provisioner prefers the person's own kubeconfig to the one that it is told to use. */
function ofCluster(environment: SuperviseOptions['environment']): SuperviseOptions['environment'] {
  return { ...environment, KUBECONFIG: undefined };
}

async function keepHouse(cluster: Cluster, statusFile: string, events: EventRing): Promise<void> {
  await cluster.turnOverLogs();
  await writeFileAtomically(statusFile, `${JSON.stringify({ status: await cluster.status(), events: events.events }, null, 2)}\n`);
}
