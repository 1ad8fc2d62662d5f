import { KubeClient } from '../kube/client.ts';
import { HttpTransport, loadKubeconfig } from '../kube/transport.ts';
import { ControlClient, type Tie } from '../local/control-client.ts';
import { clusterLayout, type ClusterLayout } from '../local/layout.ts';
import { down } from '../local/up.ts';
import { launchCluster, type LaunchOptions } from './cluster-launch.ts';
import type { CliContext } from './context.ts';

export interface DemoLaunchOptions extends LaunchOptions {
  /** End after the check, and leave nothing behind. */
  readonly once: boolean;
}

export interface DemoCluster {
  readonly layout: ClusterLayout;
  /** The person's kubeconfig that has the context now. */
  readonly kubeconfig: string | undefined;
  /** As its administrator. */
  readonly client: KubeClient;
  /** Of this machine, on the nodes' network. */
  readonly hostAddress: string;
  /** Names. */
  readonly nodes: readonly string[];
  /** Whether it goes when the demo ends. */
  readonly isOwn: boolean;
  /** Resolves when the person or the supervisor ends the demo; says that it waits. */
  readonly untilEnd: () => Promise<void>;
}

/**
 * A cluster for a demo. One that somebody started stays when the demo ends; one of our own goes with us, even if we are
 * killed. `imports` are the files that images come from on the nodes.
 */
export async function withDemoCluster(options: DemoLaunchOptions, context: CliContext, imports: ReadonlySet<string>, work: (cluster: DemoCluster) => Promise<void>): Promise<void> {
  const { progress, signal } = context;
  const { stateRoot, name, once } = options;
  const control = new ControlClient(clusterLayout(stateRoot, name));
  let tie: Tie | undefined;
  try {
    const { layout, kubeconfig } = await launchCluster(options, context, {
      imports,
      onStarted: async (started) => {
        tie = await started.tie({ deleteState: once });
      },
    });
    const { kubeconfig: admin, nodes } = await control.status(signal);
    const config = loadKubeconfig({ kubeconfig: admin });
    const hostAddress = new URL(config.getCurrentCluster()?.server ?? '').hostname;
    const client = new KubeClient(new HttpTransport(config));
    try {
      const untilEnd = (): Promise<void> => waitForEnd(tie, context);
      await work({ layout, kubeconfig, client, hostAddress, nodes: nodes.map((node) => node.name), isOwn: tie !== undefined, untilEnd });
    } finally {
      client.close();
    }
  } finally {
    if (tie !== undefined) {
      // Taken down here, so that it is gone when the command ends; the tie is for when we are killed.
      await down({ stateRoot, name, deleteState: once, progress });
      tie.release();
    }
  }
}

async function waitForEnd(tie: Tie | undefined, { signal, progress }: CliContext): Promise<void> {
  progress.line(tie === undefined ? '\nIt stays until Ctrl-C, and the cluster after that.' : '\nIt stays up until Ctrl-C; `npx yado up` leaves it running in the background.');
  const interrupted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await Promise.race([interrupted, ...(tie === undefined ? [] : [tie.ended])]);
}
