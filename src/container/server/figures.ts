import type { ContainerStats, Cri } from '../cri.ts';
import { containerName, podOf } from '../kubelet/labels.ts';
import type { PodManifest } from '../kubelet/pod.ts';
import type { GuestLink, GuestPressure } from '../link/port.ts';

/** All figures of a node at one moment. */
export interface NodeFigures {
  readonly atMs: number;
  readonly pressure: GuestPressure;
  /** Those of which a container runs. */
  readonly pods: readonly PodFigures[];
}

export interface PodFigures {
  readonly pod: PodManifest;
  readonly containers: readonly ContainerFigures[];
}

export interface ContainerFigures {
  readonly name: string;
  readonly startedAtMs: number;
  readonly cpuNanoseconds: number;
  readonly memoryWorkingSetBytes: number;
  readonly memoryUsageBytes: number;
  readonly memoryRssBytes: number;
  readonly writableLayerBytes: number;
  readonly writableLayerInodes: number;
}

/** Asks the node's runtime. Runs of a container that have ended do not count. */
export async function figuresOf(cri: Cri, link: Pick<GuestLink, 'pressure'>, pods: readonly PodManifest[], now: () => number, signal: AbortSignal): Promise<NodeFigures> {
  const [pressure, stats, containers] = await Promise.all([link.pressure(signal), cri.listStats(signal), cri.listContainers(signal)]);
  const atMs = now();
  const running = new Map(containers.filter(({ state }) => state === 'RUNNING').map(({ id, createdAt }) => [id, createdAt]));
  const byPod = Map.groupBy(stats.filter(({ id }) => running.has(id)), ({ labels }) => podOf(labels)?.uid);
  return {
    atMs,
    pressure,
    pods: pods.flatMap((pod) => {
      const found = byPod.get(pod.metadata.uid);
      return found === undefined ? [] : [{ pod, containers: found.map((entry) => containerFigures(entry, running.get(entry.id) ?? 0n)) }];
    }),
  };
}

/** Of a pod: that of all its containers. */
export function total({ containers }: PodFigures, figure: Exclude<keyof ContainerFigures, 'name' | 'startedAtMs'>): number {
  return containers.reduce((sum, container) => sum + container[figure], 0);
}

function containerFigures(stats: ContainerStats, createdAt: bigint): ContainerFigures {
  return {
    name: containerName(stats.labels),
    startedAtMs: Number(createdAt / 1_000_000n),
    cpuNanoseconds: Number(stats.cpuNanoseconds),
    memoryWorkingSetBytes: Number(stats.memoryWorkingSetBytes),
    memoryUsageBytes: Number(stats.memoryUsageBytes),
    memoryRssBytes: Number(stats.memoryRssBytes),
    writableLayerBytes: Number(stats.writableLayerBytes),
    writableLayerInodes: Number(stats.writableLayerInodes),
  };
}
