import { Option, type Command } from 'commander';
import type { OpenStackMigrationSpec } from '../api/open-stack-migration.ts';
import { API_VERSION } from '../api/group.ts';
import { YadoError } from '../base/errors.ts';
import { isAlreadyExists, isNotFound } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { openStackMigrations, type OpenStackMigration } from '../kube/yadokari.ts';
import { withTarget, withTargetOptions, type TargetOptions } from './cluster-target.ts';
import type { CliContext } from './context.ts';
import { seconds } from './option-values.ts';
import { migrationTable, planText } from './tenant/migration-text.ts';
import { migrationReaches } from './tenant/migration-waiting.ts';

interface PlanOptions extends TargetOptions {
  readonly tenant: string;
  readonly warm: boolean;
  readonly storageClass?: string;
  readonly mapVolumeType: Readonly<Record<string, string>>;
  readonly mapFlavor: Readonly<Record<string, string>>;
  readonly mapNetwork: Readonly<Record<string, string>>;
  readonly cephSecret?: string;
  readonly cephMonitors?: readonly string[];
  readonly cephPool?: string;
  readonly cephServerPool?: string;
}

interface WaitOptions extends TargetOptions {
  readonly wait: boolean;
  readonly timeout: number;
}

const PLAN_MS = 60_000;

/** Servers are planned, moved, cut over and brought back by what an OpenStackMigration says: these write that, and wait. */
export function registerTenantMigration(tenant: Command, context: CliContext): void {
  withTargetOptions(tenant.command('plan <migration> <vm...>'))
    .description('make an OpenStackMigration of these machines, which does nothing yet, and tell what would be kept, changed and impossible')
    .requiredOption('--tenant <name>', 'the OpenStackTenant that shows them')
    .option('--warm', 'copy servers while they run, and again once they are stopped', false)
    .option('--storage-class <name>', "of the disks here (default: the cluster's)")
    .addOption(new Option('--map-volume-type <type=class>', 'a StorageClass for a volume type; repeatable').argParser(pair).default({}, 'none'))
    .addOption(new Option('--map-flavor <flavor=type>', 'an InstanceType for a flavor; repeatable').argParser(pair).default({}, 'none'))
    .addOption(new Option('--map-network <network=how>', 'keep or default, for fixed addresses on a network; repeatable').argParser(pair).default({}, 'keep'))
    .option('--ceph-secret <name>', 'a Secret with user and key of the Ceph that has volumes of the cloud: they are read there')
    .option('--ceph-monitors <host...>', 'monitors of that Ceph')
    .option('--ceph-pool <name>', 'its pool of volumes (default: volumes)')
    .option('--ceph-server-pool <name>', 'its pool of the disks of servers that were made of an image (default: they come by way of images)')
    .action((name: string, machines: string[], options: PlanOptions) => plan(name, machines, options, context));
  waiting(tenant.command('migrate <migration>')).description('begin a migration that is planned')
    .option('--manual-cutover', 'wait with stopping servers until yado tenant cutover', false)
    .action((name: string, options: WaitOptions & { readonly manualCutover: boolean }) => change(name, { planOnly: false, rollback: false, ...(options.manualCutover ? { cutover: { when: 'Manual' } } : {}) }, { title: `Moving the servers of ${name}`, reaches: ['Moved', 'AwaitingCutover'] }, options, context));
  waiting(tenant.command('cutover <migration>')).description('stop the servers of a migration, copy what has changed, and start them here')
    .action((name: string, options: WaitOptions) => change(name, { planOnly: false, cutover: { when: 'Automatic' } }, { title: `Cutting over the servers of ${name}`, reaches: ['Moved'] }, options, context));
  waiting(tenant.command('rollback <migration>')).description('bring the servers of a migration back: machines here end, servers start that ran before')
    .action((name: string, options: WaitOptions) => change(name, { rollback: true }, { title: `Bringing the servers of ${name} back`, reaches: ['RolledBack'] }, options, context));
}

function waiting(command: Command): Command {
  return withTargetOptions(command).option('--no-wait', 'do not wait until it is done').option('--timeout <seconds>', 'how long it is waited for; it goes on after that', seconds, 86_400);
}

async function plan(name: string, machines: readonly string[], options: PlanOptions, { print, progress, signal }: CliContext): Promise<void> {
  const { tenant, warm, storageClass, mapVolumeType, mapFlavor, mapNetwork } = options;
  const spec: OpenStackMigrationSpec = {
    tenant, servers: { names: [...machines] }, strategy: warm ? 'Warm' : 'Cold', planOnly: true,
    ...(storageClass === undefined ? {} : { storageClassName: storageClass }),
    ...cephOf(options),
    map: { volumeTypes: mapVolumeType, flavors: mapFlavor, networks: mapNetwork as Readonly<Record<string, 'keep' | 'default'>> },
  };
  await withTarget(options, async ({ client, namespace }) => {
    await client.create(openStackMigrations, { apiVersion: API_VERSION, kind: 'OpenStackMigration', metadata: { name, namespace }, spec }, { signal }).catch((error: unknown) => {
      throw isAlreadyExists(error) ? new YadoError('MigrationThere', `There is an OpenStackMigration ${name} in namespace ${namespace} already: delete it, or choose another name`, { cause: error, disposition: 'stalled' }) : error;
    });
    const planned = await migrationReaches('Looking at the servers', new Set(['Planned', 'Blocked']), { client, namespace, name, patienceMs: PLAN_MS, progress, signal });
    print(planText(planned));
    progress.line(`Nothing is done yet. \`yado tenant migrate ${name} -n ${namespace}\` begins; \`kubectl -n ${namespace} delete osm ${name}\` forgets it`);
  });
}

function cephOf({ cephSecret, cephMonitors, cephPool, cephServerPool }: PlanOptions): Pick<OpenStackMigrationSpec, 'ceph'> {
  if ([cephSecret, cephMonitors, cephPool, cephServerPool].every((option) => option === undefined)) return {};
  if (cephSecret === undefined || cephMonitors === undefined) throw new YadoError('BadUsage', 'To read volumes in a Ceph takes both --ceph-secret and --ceph-monitors', { disposition: 'stalled' });
  return { ceph: { secret: cephSecret, monitors: [...cephMonitors], ...(cephPool === undefined ? {} : { pool: cephPool }), ...(cephServerPool === undefined ? {} : { serverPool: cephServerPool }) } };
}

async function change(name: string, spec: Partial<OpenStackMigrationSpec>, { title, reaches }: { readonly title: string; readonly reaches: readonly string[] }, options: WaitOptions, { print, progress, signal }: CliContext): Promise<void> {
  await withTarget(options, async ({ client, namespace }) => {
    await patched(client, namespace, name, spec, signal);
    if (!options.wait) return;
    const migration = await migrationReaches(title, new Set(reaches), { client, namespace, name, patienceMs: options.timeout * 1000, progress, signal });
    print(migrationTable([migration]));
  });
}

async function patched(client: KubeClient, namespace: string, name: string, spec: Partial<OpenStackMigrationSpec>, signal: AbortSignal): Promise<OpenStackMigration> {
  try {
    // A cutover has one of its two fields.
    return await client.patch(openStackMigrations, { namespace, name }, { spec: { ...spec, ...(spec.cutover?.when === undefined ? {} : { cutover: { when: spec.cutover.when, at: null } }) } }, { signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new YadoError('NoSuchMigration', `There is no OpenStackMigration ${name} in namespace ${namespace}; \`yado tenant plan\` makes one`, { cause: error, disposition: 'stalled' });
  }
}

/** `ssd=ceph`, added to those that came before. */
function pair(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const [from = '', to = '', ...rest] = text.split('=');
  if (from === '' || to === '' || rest.length > 0) throw new YadoError('BadUsage', `${text} is no mapping: write it like ssd=ceph`, { disposition: 'stalled' });
  return { ...before, [from]: to };
}
