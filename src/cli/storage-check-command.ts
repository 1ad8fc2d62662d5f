import { randomUUID } from 'node:crypto';
import { Option, type Command } from 'commander';
import { ANNOTATION_CHECK } from '../api/group.ts';
import { driversOf } from '../api/storage-drivers.ts';
import { systemClock } from '../base/clock.ts';
import { YadoError } from '../base/errors.ts';
import { isNotFound } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { csiNodes } from '../kube/storage.ts';
import { storageBackends, type StorageBackend } from '../kube/yadokari.ts';
import { withTarget, withTargetOptions, type TargetOptions } from './cluster-target.ts';
import type { CliContext } from './context.ts';
import { seconds } from './option-values.ts';
import { formatTable } from './table.ts';

interface CheckOptions extends TargetOptions {
  readonly output: 'table' | 'json';
  readonly timeout: number;
}

/** What nobody needs, or is missing, and who found it. */
export interface Finding {
  readonly backend: string;
  readonly driver: string;
  /** Empty: the backend itself. */
  readonly node: string;
  readonly finding: string;
}

const LOOK_MS = 500;

export function registerStorageCheck(storage: Command, context: CliContext): void {
  withTargetOptions(storage.command('check [backend]'))
    .description('look for what nobody needs: volumes and snapshots without an object, objects without a volume, attachments that are left; exits with 1 when there is something')
    .addOption(new Option('-o, --output <format>', 'how it is printed').choices(['table', 'json']).default('table'))
    .option('--timeout <seconds>', 'how long drivers are waited for', seconds, 60)
    .action(async (name: string | undefined, options: CheckOptions) => {
      const findings = await withTarget(options, async ({ client }) => check(client, name, options.timeout * 1000, context.signal));
      if (options.output === 'json') context.print(JSON.stringify(findings, undefined, 2));
      else context.print(findings.length === 0 ? 'none: what there is of volumes is used, and what is used is there' : findingsTable(findings));
      if (findings.length > 0) context.setExitCode(1);
    });
}

async function check(client: KubeClient, name: string | undefined, patienceMs: number, signal: AbortSignal): Promise<readonly Finding[]> {
  const backends = await backendsNamed(client, name, signal);
  const { items: hosts } = await client.listAll(csiNodes, { signal });
  const expected = backends.map(({ metadata, spec }) => ({
    name: metadata.name,
    answers: driversOf(metadata.name, spec).flatMap(({ kind, name: driver }) => [
      ...(kind === 'local' ? [] : [{ driver, node: '' }]),
      ...hosts.filter((host) => host.spec.drivers.some((one) => one.name === driver)).map((host) => ({ driver, node: host.metadata.name })),
    ]),
  }));
  const request = randomUUID();
  for (const { name: backend } of expected) await client.patch(storageBackends, { name: backend }, { metadata: { annotations: { [ANNOTATION_CHECK]: request } } }, { signal });
  const giveUpAt = systemClock.now() + patienceMs;
  return (await Promise.all(expected.map(({ name: backend, answers }) => answersOf(client, backend, answers, request, giveUpAt, signal)))).flat();
}

async function backendsNamed(client: KubeClient, name: string | undefined, signal: AbortSignal): Promise<readonly StorageBackend[]> {
  if (name === undefined) return (await client.listAll(storageBackends, { signal })).items;
  return [await client.get(storageBackends, { name }, signal).catch((error: unknown) => {
    throw isNotFound(error) ? new YadoError('NotFound', `There is no StorageBackend ${name}`, { disposition: 'stalled' }) : error;
  })];
}

/** Who has not answered by then is told of like a finding: it is not known what there is. */
async function answersOf(client: KubeClient, backend: string, expected: readonly { readonly driver: string; readonly node: string }[], request: string, giveUpAt: number, signal: AbortSignal): Promise<readonly Finding[]> {
  for (;;) {
    const { status } = await client.get(storageBackends, { name: backend }, signal);
    const answers = (status?.checks ?? []).filter((one) => one.request === request);
    const missing = expected.filter(({ driver, node }) => !answers.some((one) => one.driver === driver && one.node === node));
    if (missing.length === 0 || systemClock.now() > giveUpAt) {
      return [
        ...answers.flatMap(({ driver, node, findings = [] }) => findings.map((finding) => ({ backend, driver, node, finding }))),
        ...missing.map(({ driver, node }) => ({ backend, driver, node, finding: 'its driver has not answered: what is there is not known' })),
      ];
    }
    await systemClock.sleep(LOOK_MS, signal);
  }
}

export function findingsTable(findings: readonly Finding[]): string {
  return formatTable([['BACKEND', 'DRIVER', 'NODE', 'FINDING'], ...findings.map(({ backend, driver, node, finding }) => [backend, driver, node === '' ? '-' : node, finding])]);
}
