import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Command } from 'commander';
import { parseAllDocuments } from 'yaml';
import { YadoError } from '../base/errors.ts';
import type { KubeObject } from '../kube/object.ts';
import type { VirtualMachineImage } from '../kube/yadokari.ts';
import { contextName, defaultClusterName } from '../local/layout.ts';
import { addStorage } from '../local/storage/add.ts';
import { storageServers, type StorageServer } from '../local/storage/record.ts';
import { lackOfNfsClient } from '../storage/drivers/nfs/nfs-client.ts';
import { withLaunchOptions } from './cluster-launch.ts';
import type { CliContext } from './context.ts';
import { withDemoCluster, type DemoLaunchOptions } from './demo-cluster.ts';
import { Demo, isInMachine, requireShowable } from './demo.ts';
import { withoutClasses } from './demo-volumes.ts';
import { SharedDemo } from './shared-demo.ts';
import { formatTable } from './table.ts';
import { namesHint } from './near-names.ts';
import { runTenantDemo, TENANT_DEMO } from './tenant-demo-run.ts';

interface DemoOptions extends DemoLaunchOptions {
  readonly demo?: string;
}

export function registerDemo(program: Command, context: CliContext): void {
  withLaunchOptions(program.command('demo').argument('[example]', 'a file of deploy/examples, without .yaml; or tenant: a real OpenStack beside the cluster', 'hello'))
    .description('bring a cluster up and show a virtual machine and a container that reach each other')
    .option('--demo <example>', 'the same as the argument; for npm start')
    .option('--once', 'end after the check, and leave nothing behind', false)
    .action(async (example: string, options: DemoOptions) => runDemo(options.demo ?? example, options, context));
}

async function runDemo(example: string, options: DemoOptions, context: CliContext): Promise<void> {
  if (example === TENANT_DEMO) return runTenantDemo(options, context);
  const { progress, signal } = context;
  const begun = performance.now();
  const whole = await readExample(join(context.projectRoot, 'deploy/examples', `${example}.yaml`));
  requireShowable(whole);
  const lacking = serversOf(whole).includes('nfs') ? await lackOfNfsClient() : undefined;
  const { shown: objects, leftOut } = withoutClasses(whole, (name) => lacking !== undefined && name === 'nfs');
  await withDemoCluster(options, context, importsOf(objects), async ({ layout, kubeconfig, client, nodes, isOwn, untilEnd }) => {
    for (const server of serversOf(objects)) await addStorage({ layout, server, packages: options.packages, progress, signal, programs: { projectRoot: context.projectRoot, modules: join(context.projectRoot, 'deploy/toolchain'), cache: options.cache, environment: context.environment, progress, signal } });
    const demo = new Demo({ client, objects, nodes: options.nodes > 1 ? nodes : [], logs: layout.logs, progress, signal });
    await demo.apply();
    context.print(`\n${formatTable(await demo.check())}\n`);
    const shared = serversOf(objects).length === 0 ? undefined : new SharedDemo({ client, objects, progress, signal });
    if (shared !== undefined) context.print(`\n${formatTable(await shared.check(await demo.workloads()))}\n`);
    if (lacking !== undefined) context.print(`\nNot shown: ${leftOut.join(', ')}, a volume on NFS: ${lacking}`);
    progress.line(`All of it took ${((performance.now() - begun) / 1000).toFixed(1)} s.`);
    if (options.once && !isOwn) {
      await shared?.remove();
      await demo.remove();
    }
    if (options.once) return;
    context.print(nextCommands(options.name, kubeconfig, objects));
    if (isOwn) await untilEnd();
  });
}

async function readExample(path: string): Promise<readonly KubeObject[]> {
  const text = await readFile(path, 'utf8').catch(async (cause: unknown) => {
    const known = (await readdir(dirname(path)).catch(() => [])).filter((name) => name.endsWith('.yaml')).map((name) => basename(name, '.yaml'));
    const name = basename(path, '.yaml');
    throw new YadoError('NoSuchExample', `There is no example ${name}. ${namesHint(name, [...known, TENANT_DEMO].sort())}`, { cause });
  });
  return parseAllDocuments(text).map((document) => document.toJS() as KubeObject);
}

/** Files that its images come from on the nodes. */
function importsOf(objects: readonly KubeObject[]): ReadonlySet<string> {
  const files = objects.filter(({ kind }) => kind === 'VirtualMachineImage').map((image) => (image as VirtualMachineImage).spec.source.file?.path);
  return new Set(files.filter((file) => file !== undefined).map((file) => basename(file)));
}

/** Servers of the StorageClasses that its claims name. */
function serversOf(objects: readonly KubeObject[]): readonly StorageServer[] {
  const classes = objects.map((object) => (object as KubeObject & { readonly spec?: { readonly storageClassName?: string } }).spec?.storageClassName ?? '');
  return storageServers.filter((server) => classes.some((name) => name === server || name.startsWith(`${server}-`)));
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
