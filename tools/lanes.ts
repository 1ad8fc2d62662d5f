import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { runStep, type StepResult } from './step.ts';

/** They need no cluster of nodes and no guest, wait more than they work, and make room for those that do. */
const LIGHT = new Set(['chart', 'chart-server', 'csi-ceph', 'csi-local', 'csi-nfs', 'disk-copy', 'go-programs', 'ipam', 'openstack-migration', 'openstack-tenant']);
/** They look at how soon something happens, and have only light ones beside them. */
const TIMED = new Set(['faults', 'liveness', 'node-death', 'scale', 'top', 'virtual-node-pressure', 'virtual-node-workloads']);

export interface LaneOptions {
  readonly env: NodeJS.ProcessEnv;
  /** The program and its arguments, without the file. */
  readonly command: readonly [string, ...(readonly string[])];
}

/**
 * Runs test files in two lanes, one at a time in each. A test waits about half of its time, and two processors have room
 * for two. The first lane begins with the ones that look at times, the second with the light ones; they share the rest.
 */
export async function runInLanes(files: readonly string[], { env, command }: LaneOptions): Promise<readonly StepResult[]> {
  const [timed, light, rest] = [files.filter((file) => isOf(TIMED, file)), files.filter((file) => isOf(LIGHT, file)), files.filter((file) => !isOf(TIMED, file) && !isOf(LIGHT, file))];
  using aside = await ownMounts();
  const run = (file: string, entered: readonly string[], beside: boolean): Promise<StepResult> => {
    const [program, ...args] = [...entered, ...(isOf(LIGHT, file) ? ['nice', '-n', '10'] : []), ...command, file];
    return runStep(file, program, args, { env, beside });
  };
  const lane = async (next: () => string | undefined, entered: readonly string[], beside: boolean): Promise<readonly StepResult[]> => {
    const results: StepResult[] = [];
    for (let file = next(); file !== undefined; file = next()) results.push(await run(file, entered, beside));
    return results;
  };
  // From both ends: those of the same kind, which have much to do at the same time, do not meet.
  const lanes = await Promise.all([
    lane(() => timed.shift() ?? rest.shift() ?? light.shift(), [], false),
    lane(() => light.shift() ?? rest.pop(), aside.command, true),
  ]);
  return lanes.flat();
}

function isOf(set: ReadonlySet<string>, file: string): boolean {
  return set.has(basename(file).replace(/\.test\.ts$/, ''));
}

/** A mount namespace of a lane's own, as it is before anything is mounted: a copy of another's mounts would keep them busy. */
async function ownMounts(): Promise<Disposable & { readonly command: readonly string[] }> {
  const holder = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'unshare', '--mount', '--propagation', 'private', 'sh', '-c', 'echo there; exec sleep infinity'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  return { command: ['nsenter', `--mount=/proc/${holder.pid}/ns/mnt`, `--wd=${process.cwd()}`, '--'], [Symbol.dispose]: () => void holder.kill() };
}
