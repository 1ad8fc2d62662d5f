import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Command } from 'commander';
import { parseAllDocuments } from 'yaml';
import { YadoError } from '../base/errors.ts';
import type { KubeObject } from '../kube/object.ts';
import { KubeClient } from '../kube/client.ts';
import type { VirtualMachineImage } from '../kube/yadokari.ts';
import { HttpTransport, loadKubeconfig } from '../kube/transport.ts';
import { ControlClient, type Tie } from '../local/control-client.ts';
import { clusterLayout, contextName, defaultClusterName } from '../local/layout.ts';
import { down } from '../local/up.ts';
import { launchCluster, withLaunchOptions, type LaunchOptions } from './cluster-launch.ts';
import type { CliContext } from './context.ts';
import { Demo, isInMachine } from './demo.ts';
import { formatTable } from './table.ts';
import { namesHint } from './near-names.ts';

interface DemoOptions extends LaunchOptions {
  readonly demo?: string;
  readonly once: boolean;
}

export function registerDemo(program: Command, context: CliContext): void {
  withLaunchOptions(program.command('demo').argument('[example]', 'a file of deploy/examples, without .yaml', 'hello'))
    .description('bring a cluster up and show a virtual machine and a container that reach each other')
    .option('--demo <example>', 'the same as the argument; for npm start')
    .option('--once', 'end after the check, and leave nothing behind', false)
    .action(async (example: string, options: DemoOptions) => runDemo(options.demo ?? example, options, context));
}

async function runDemo(example: string, options: DemoOptions, context: CliContext): Promise<void> {
  const { progress, signal } = context;
  const begun = performance.now();
  const objects = await readExample(join(context.projectRoot, 'deploy/examples', `${example}.yaml`));
  const control = new ControlClient(clusterLayout(options.stateRoot, options.name));
  // A cluster that somebody started stays when the demo ends; one of our own goes with us, even if we are killed.
  let tie: Tie | undefined;
  try {
    const { layout, kubeconfig } = await launchCluster(options, context, {
      imports: importsOf(objects),
      onStarted: async (client) => {
        tie = await client.tie({ deleteState: options.once });
      },
    });
    const { kubeconfig: admin, nodes } = await control.status(signal);
    const client = new KubeClient(new HttpTransport(loadKubeconfig({ kubeconfig: admin })));
    const demo = new Demo({ client, objects, nodes: options.nodes > 1 ? nodes.map(({ name }) => name) : [], logs: layout.logs, progress, signal });
    await demo.apply();
    context.print(`\n${formatTable(await demo.check())}\n`);
    progress.line(`All of it took ${((performance.now() - begun) / 1000).toFixed(1)} s.`);
    if (options.once && tie === undefined) await demo.remove();
    if (!options.once) {
      context.print(nextCommands(options.name, kubeconfig, objects));
      if (tie !== undefined) await untilEnd(tie, context);
    }
    client.close();
  } finally {
    if (tie !== undefined) {
      // Taken down here, so that it is gone when the command ends; the tie is for when we are killed.
      await down({ stateRoot: options.stateRoot, name: options.name, deleteState: options.once, progress });
      tie.release();
    }
  }
}

async function readExample(path: string): Promise<readonly KubeObject[]> {
  const text = await readFile(path, 'utf8').catch(async (cause: unknown) => {
    const known = (await readdir(dirname(path)).catch(() => [])).filter((name) => name.endsWith('.yaml')).map((name) => basename(name, '.yaml'));
    const name = basename(path, '.yaml');
    throw new YadoError('NoSuchExample', `There is no example ${name}. ${namesHint(name, known.sort())}`, { cause });
  });
  return parseAllDocuments(text).map((document) => document.toJS() as KubeObject);
}

/** Files that its images come from on the nodes. */
function importsOf(objects: readonly KubeObject[]): ReadonlySet<string> {
  const files = objects.filter(({ kind }) => kind === 'VirtualMachineImage').map((image) => (image as VirtualMachineImage).spec.source.file?.path);
  return new Set(files.filter((file) => file !== undefined).map((file) => basename(file)));
}

function nextCommands(name: string, kubeconfig: string | undefined, objects: readonly KubeObject[]): string {
  const cluster = name === defaultClusterName ? '' : ` --name ${name}`;
  const flag = kubeconfig === undefined ? '' : ` --context ${contextName(name)}`;
  const machine = objects.find(({ kind }) => kind === 'VirtualMachine')?.metadata.name ?? '';
  const inside = objects.find(isInMachine)?.metadata.name;
  return [
    'Try:',
    `  kubectl${flag} get vm,ypod,pods,nodes -o wide`,
    `  kubectl${flag} describe vm ${machine}`,
    ...(inside === undefined ? [`  kubectl${flag} logs -l yadokari.dev/virtual-machine=${machine}`] : [`  kubectl${flag} exec -it ${inside} -- sh`, `  kubectl${flag} logs ${inside}`]),
    `  npx yado console ${machine}${cluster}          (Ctrl-] leaves)`,
    `  npx yado status${cluster}`,
    `  npx yado down${cluster}`,
  ].join('\n');
}

async function untilEnd(tie: Tie, { signal, progress }: CliContext): Promise<void> {
  progress.line('\nIt stays up until Ctrl-C; `npx yado up` leaves it running in the background.');
  const interrupted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await Promise.race([interrupted, tie.ended]);
}
