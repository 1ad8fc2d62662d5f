import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { runStep, type StepResult } from './step.ts';

/** They need no cluster of nodes and no guest, wait more than they work, and make room for those that do. */
const LIGHT = new Set(['chart', 'chart-server', 'csi-ceph', 'csi-local', 'disk-copy', 'drbd-chart', 'go-programs', 'ipam', 'openstack-connection', 'openstack-migration', 'openstack-tenant']);
/** They leave one of two processors to others most of the time. */
const CALM = new Set(['ceph-volumes', 'csi-nfs', 'images', 'kubelet-server', 'local-volumes', 'machine-volumes', 'openstack-mirror', 'release-images', 'storage-add', 'virtual-node-tls']);

export interface LaneOptions {
  readonly env: NodeJS.ProcessEnv;
  /** The program and its arguments, without the file. */
  readonly command: readonly [string, ...(readonly string[])];
}

/** Runs test files, one at a time in each of two lanes: a test waits about half of its time, and two processors have room for two. */
export async function runInLanes(files: readonly string[], { env, command }: LaneOptions): Promise<readonly StepResult[]> {
  using aside = await ownMounts();
  const run = async (lane: readonly string[], entered: readonly string[], beside: boolean): Promise<readonly StepResult[]> => {
    const results: StepResult[] = [];
    for (const file of lane) {
      const [program, ...args] = [...entered, ...(isOf(LIGHT, file) ? ['nice', '-n', '10'] : []), ...command, file];
      results.push(await runStep(file, program, args, { env, beside }));
    }
    return results;
  };
  const [light, calm] = [files.filter((file) => isOf(LIGHT, file)), files.filter((file) => isOf(CALM, file))];
  const lanes = await Promise.all([run(files.filter((file) => !light.includes(file) && !calm.includes(file)), [], false), run([...light, ...calm], aside.command, true)]);
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
