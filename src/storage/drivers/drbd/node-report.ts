import { networkInterfaces } from 'node:os';
import type { Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { timestamp } from '../../../kube/conditions.ts';
import { nodes } from '../../../kube/core.ts';
import { StorageError } from '../../port.ts';
import type { NodeReport } from './placement.ts';
import type { ReplicaContext } from './replica.ts';
import { orphansOf } from './orphans.ts';

const LOOK_MS = 30_000;
/** Said again at least this often, so that who is silent can be told. */
const BEAT_MS = 60_000;
const NOTICEABLE = 0.02;
const ZONE = 'topology.kubernetes.io/zone';

/** Says in the StorageBackend what this node has and lacks; writes when that changes, and now and then. */
export async function reportNode(context: ReplicaContext, client: KubeClient, signal: AbortSignal): Promise<void> {
  const { clock, log, objects } = context;
  let told: NodeReport | undefined;
  for (; !signal.aborted; await clock.sleep(LOOK_MS, signal).catch(() => {})) {
    const now = await look(context, client, signal);
    if (told !== undefined && !differs(told, now, clock)) continue;
    try {
      await objects.reportNode({ ...now, time: timestamp(clock.now()) }, signal);
      told = { ...now, time: timestamp(clock.now()) };
    } catch (error) {
      if (!signal.aborted) (log satisfies Log).warn({ error: messageOf(error) }, 'what this node has cannot be told');
    }
  }
}

async function look(context: ReplicaContext, client: KubeClient, signal: AbortSignal): Promise<NodeReport> {
  const { node, hostname, kernel, backing, address } = context;
  try {
    const [version, availableBytes, where, zone, orphans] = [await kernel.version(), await backing.availableBytes(), await address(), await zoneOf(client, node, signal), await orphansOf(context)];
    return { node, hostname, version, availableBytes: Math.floor(availableBytes), address: where, ...(zone === undefined ? {} : { zone }), ...(orphans.length === 0 ? {} : { orphans: [...orphans] }) };
  } catch (error) {
    return { node, lacking: messageOf(error) };
  }
}

function differs(told: NodeReport, now: NodeReport, clock: Clock): boolean {
  const [before = 0, after = 0] = [told.availableBytes, now.availableBytes];
  const same = told.lacking === now.lacking && told.address === now.address && told.zone === now.zone && String(told.orphans) === String(now.orphans);
  return !same || Math.abs(after - before) > NOTICEABLE * Math.max(before, after) || clock.now() - Date.parse(told.time ?? '') > BEAT_MS;
}

async function zoneOf(client: KubeClient, name: string, signal: AbortSignal): Promise<string | undefined> {
  return client.get(nodes, { name }, signal).then(({ metadata }) => metadata.labels?.[ZONE], () => undefined);
}

/** Where other nodes reach this one: in the network that is for it, or where the Node is. */
export async function replicationAddress({ settings, node }: Pick<ReplicaContext, 'settings' | 'node'>, client: KubeClient): Promise<string> {
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []).filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address);
  if (settings.network !== undefined) {
    const found = own.find((address) => settings.network?.check(address));
    if (found === undefined) throw new StorageError('Failed', `this node has no address in the network of drbd.network; it has ${own.join(', ')}`, { disposition: 'stalled' });
    return found;
  }
  const { status } = await client.get(nodes, { name: node });
  const found = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  if (found === undefined) throw new StorageError('Failed', `Node ${node} has no InternalIP: say drbd.network`, { disposition: 'stalled' });
  return found;
}
