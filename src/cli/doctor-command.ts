import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { messageOf } from '../base/errors.ts';
import { defaultCacheRoot, defaultStateRoot } from '../local/layout.ts';
import { presenceOn } from '../local/packages.ts';
import type { CliContext } from './context.ts';
import { doctorText, isFit, warn, type Finding } from './doctor/check.ts';
import { clusterFindings } from './doctor/clusters.ts';
import { cephFinding, cgroupFinding, drbdFinding, forwardFinding, kernelFindings, nfsFinding } from './doctor/kernel.ts';
import { diskFinding, memoryFinding, nodeFinding, openFilesFinding, rootFinding, systemdFinding } from './doctor/resources.ts';
import { accelerationFinding, packagesFinding, toolchainFindings } from './doctor/software.ts';

interface DoctorOptions {
  readonly json: boolean;
  readonly cache: string;
  readonly stateRoot: string;
}

export function registerDoctor(program: Command, context: CliContext): void {
  program.command('doctor')
    .description('say what this host has and lacks for a local cluster; exit code 1 when something required is missing')
    .option('--json', 'as JSON', false)
    .option('--cache <folder>', 'where built programs and images are kept', defaultCacheRoot)
    .option('--state-root <folder>', 'where local clusters keep their state', defaultStateRoot)
    .action(async (options: DoctorOptions) => {
      const findings = await examine(options, context);
      context.print(options.json ? JSON.stringify({ fit: isFit(findings), findings }, null, 2) : doctorText(findings));
      if (!isFit(findings)) context.setExitCode(1);
    });
}

const GiB = 1024 ** 3;

async function examine({ cache, stateRoot }: DoctorOptions, { environment, signal }: CliContext): Promise<readonly Finding[]> {
  const present = presenceOn(environment['PATH'] ?? '');
  const toolchain = await toolchainFindings(cache, environment, present);
  const built = toolchain.some(({ subject, verdict }) => subject === 'Kubernetes' && verdict === 'ok');
  const checks: readonly (readonly [string, () => Promise<Finding | readonly Finding[]>])[] = [
    ['kernel', () => kernelFindings(signal)],
    ['cgroups', cgroupFinding],
    ['NFS client', nfsFinding],
    ['Ceph images', cephFinding],
    ['DRBD', drbdFinding],
    ['KVM', () => accelerationFinding(join(cache, 'doctor'), present, signal)],
    ['init', systemdFinding],
    ['memory', async () => memoryFinding(await readFile('/proc/meminfo', 'utf8'))],
    ['disk for the cache', () => diskFinding('disk for the cache', cache, built ? GiB / 4 : 5 * GiB, 'make room, or choose another disk with --cache')],
    ['disk for state', () => diskFinding('disk for state', stateRoot, GiB, 'make room, or choose another disk with --state-root')],
    ['open files', async () => openFilesFinding(await readFile('/proc/self/limits', 'utf8'))],
    ['host firewall', forwardFinding],
    ['clusters', () => clusterFindings(stateRoot, signal)],
  ];
  const found = await Promise.all(checks.map(async ([subject, check]) => check().catch((error: unknown) => {
    signal.throwIfAborted();
    return warn(subject, `could not be checked: ${messageOf(error)}`);
  })));
  return [rootFinding(process.getuid?.()), nodeFinding(process.version), packagesFinding(present), ...toolchain, ...found.flat()];
}
