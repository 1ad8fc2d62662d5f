import { run } from '../base/process.ts';
import { LocalError } from './errors.ts';
import type { NetworkPlan } from './network-plan.ts';

/** What the host's processes of a cluster listen on, at the bridge's address. */
export const hostPorts: Readonly<Record<string, number>> = {
  'bird': 179, 'coredns': 53, 'etcd': 2379, "etcd's peers": 2380, 'kube-apiserver': 6443,
  'kube-controller-manager': 10_257, 'kube-scheduler': 10_259, 'operator': 9401,
};

interface Listener {
  readonly address: string;
  readonly port: number;
  /** Name and id of the process, where the kernel tells. */
  readonly process: string;
}

/** Throws LocalError `PortTaken` when a process of the host already has a port of the cluster, at its address or at all addresses. */
export async function requireFreePorts(plan: NetworkPlan): Promise<void> {
  // Our own processes would not say: a probe of a port that another has succeeds.
  const taken = takenPorts(plan, await run('ss', ['-Hltnup']).catch(() => ''));
  if (taken.length > 0) throw new LocalError('PortTaken', `Another program has what the cluster needs at ${plan.gateway}: ${taken.join('; ')}. End it, or let it listen on an address of its own instead of all.`);
}

/** In words, from the output of `ss -Hltnup`. */
export function takenPorts(plan: NetworkPlan, sockets: string): readonly string[] {
  const listeners = sockets.split('\n').map(parseListener).filter((listener) => listener !== undefined);
  const inOurWay = listeners.filter(({ address }) => [plan.gateway, '0.0.0.0', '*', '[::]'].includes(address));
  return Object.entries(hostPorts).flatMap(([name, port]) => {
    const found = inOurWay.find((listener) => listener.port === port);
    return found === undefined ? [] : [`port ${port} (for ${name}) is taken by ${found.process}`];
  });
}

function parseListener(line: string): Listener | undefined {
  const [, , , , local = '', , ...users] = line.trim().split(/\s+/);
  const [, address, port] = /^(.*?)(?:%\w+)?:(\d+)$/.exec(local) ?? [];
  if (address === undefined || port === undefined) return undefined;
  const [, name, pid] = /"([^"]+)",pid=(\d+)/.exec(users.join(' ')) ?? [];
  return { address, port: Number(port), process: name === undefined ? 'a process that cannot be seen from here' : `${name} (pid ${pid})` };
}
