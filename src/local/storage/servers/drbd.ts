import { release } from 'node:os';
import { run } from '../../../base/process.ts';
import { readIfExists } from '../../file.ts';

/** Why there is no server of DRBD to try out here, and where it can be had. */
export async function drbdProblem(): Promise<string> {
  const version = await drbdVersion();
  return version === undefined
    ? `The kernel ${release()} of this host has no DRBD: there is no /proc/drbd, and modprobe drbd does not change that. It is part of Debian's kernel (linux-image-amd64), or of the package drbd-dkms where modules can be built; nodes that are to have replicated volumes boot one of these.`
    : `The kernel of this host has DRBD ${version}, but nodes of a local cluster share that one kernel, and DRBD knows one host in each: replicas want machines of their own.`;
}

/** Of this kernel's DRBD, such as `8.4.11`; undefined where it has none. */
export async function drbdVersion(): Promise<string | undefined> {
  if ((await readIfExists('/proc/drbd')) === undefined) await run('modprobe', ['drbd']).catch(() => {});
  return /^version: (\S+)/m.exec(await readIfExists('/proc/drbd') ?? '')?.[1];
}
