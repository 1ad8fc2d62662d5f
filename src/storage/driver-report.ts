import { API_VERSION } from '../api/group.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { timestamp } from '../kube/conditions.ts';
import type { KubeClient } from '../kube/client.ts';
import { storageBackends } from '../kube/yadokari.ts';
import type { Backend, NodeVolumes } from './port.ts';

export interface DriverReportOptions {
  readonly client: KubeClient;
  /** Name of the StorageBackend. */
  readonly name: string;
  /** Name of the CSI driver. */
  readonly driver: string;
  readonly backend: Backend;
  readonly clock: Clock;
  readonly log: Log;
}

interface Report {
  readonly reachable: boolean;
  readonly message?: string;
  readonly availableBytes?: number;
}

const LOOK_MS = 15_000;
const NODE_LOOK_MS = 60_000;
const PROBE_MS = 10_000;
/** A change of what is left that is worth writing. */
const NOTICEABLE = 0.05;

/** Says in the status of a StorageBackend whether its driver reaches it, and what it has left; writes when that changes. */
export async function reportDriver(options: DriverReportOptions, signal: AbortSignal): Promise<void> {
  const { client, name, driver, clock, log } = options;
  for (let told: Report | undefined; !signal.aborted; await clock.sleep(LOOK_MS, signal).catch(() => {})) {
    const now = await look(options, signal);
    if (told !== undefined && !differs(told, now)) continue;
    const status = { drivers: [{ name: driver, ...now, time: timestamp(clock.now()) }] };
    try {
      await client.apply(storageBackends, { apiVersion: API_VERSION, metadata: { name }, status }, { fieldManager: `yadokari-csi-${driver}`, subresource: 'status', signal });
      told = now;
    } catch (error) {
      if (!signal.aborted) log.warn({ error: messageOf(error) }, 'the state of the backend cannot be told');
    }
  }
}

export interface NodeReportOptions extends Omit<DriverReportOptions, 'backend'> {
  readonly node: { readonly name: string; readonly volumes: NodeVolumes };
}

/** Says in the status of a StorageBackend what this node lacks, if anything; writes when that changes. */
export async function reportNode({ client, name, driver, node, clock, log }: NodeReportOptions, signal: AbortSignal): Promise<void> {
  for (let told: string | undefined | null = null; !signal.aborted; await clock.sleep(NODE_LOOK_MS, signal).catch(() => {})) {
    const lacking = await node.volumes.lacking?.().catch(messageOf);
    if (told === lacking) continue;
    const status = { nodes: lacking === undefined ? [] : [{ driver, node: node.name, lacking, time: timestamp(clock.now()) }] };
    try {
      await client.apply(storageBackends, { apiVersion: API_VERSION, metadata: { name }, status }, { fieldManager: `yadokari-csi-${driver}-${node.name}`, subresource: 'status', signal });
      told = lacking;
    } catch (error) {
      if (!signal.aborted) log.warn({ error: messageOf(error) }, 'what this node lacks cannot be told');
    }
  }
}

async function look({ backend }: DriverReportOptions, signal: AbortSignal): Promise<Report> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]);
  try {
    await backend.probe(limited);
    return { reachable: true, availableBytes: Math.floor(await backend.availableBytes(limited)) };
  } catch (error) {
    return { reachable: false, message: messageOf(error) };
  }
}

function differs(told: Report, now: Report): boolean {
  if (told.reachable !== now.reachable || told.message !== now.message) return true;
  const [before = 0, after = 0] = [told.availableBytes, now.availableBytes];
  return Math.abs(after - before) > NOTICEABLE * Math.max(before, after);
}
