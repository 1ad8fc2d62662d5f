import { total, type ContainerFigures, type NodeFigures, type PodFigures } from './figures.ts';

/** `/stats/summary`. https://kubernetes.io/docs/reference/instrumentation/node-metrics/ */
export function summaryOf(node: string, { atMs, pressure, pods }: NodeFigures): object {
  const time = rfc3339(atMs);
  return {
    node: {
      nodeName: node,
      cpu: { time, usageCoreNanoSeconds: pressure.cpuNanoseconds },
      memory: { time, availableBytes: pressure.memoryAvailableBytes, workingSetBytes: pressure.memoryWorkingSetBytes },
      fs: {
        time,
        availableBytes: pressure.diskAvailableBytes,
        capacityBytes: pressure.diskCapacityBytes,
        usedBytes: pressure.diskCapacityBytes - pressure.diskAvailableBytes,
        inodes: pressure.inodes,
        inodesFree: pressure.inodesFree,
        inodesUsed: pressure.inodes - pressure.inodesFree,
      },
    },
    pods: pods.map((pod) => podSummary(pod, time)),
  };
}

function podSummary(figures: PodFigures, time: string): object {
  const { metadata: { name, namespace, uid }, status } = figures.pod;
  return {
    podRef: { name, namespace, uid },
    startTime: status?.startTime,
    cpu: { time, usageCoreNanoSeconds: total(figures, 'cpuNanoseconds') },
    memory: memory(time, total(figures, 'memoryWorkingSetBytes'), total(figures, 'memoryUsageBytes'), total(figures, 'memoryRssBytes')),
    containers: figures.containers.map((container) => containerSummary(container, time)),
  };
}

function containerSummary(container: ContainerFigures, time: string): object {
  return {
    name: container.name,
    startTime: rfc3339(container.startedAtMs),
    cpu: { time, usageCoreNanoSeconds: container.cpuNanoseconds },
    memory: memory(time, container.memoryWorkingSetBytes, container.memoryUsageBytes, container.memoryRssBytes),
    rootfs: { time, usedBytes: container.writableLayerBytes, inodesUsed: container.writableLayerInodes },
  };
}

function memory(time: string, workingSetBytes: number, usageBytes: number, rssBytes: number): object {
  return { time, workingSetBytes, usageBytes, rssBytes };
}

/** Of whole seconds, as Kubernetes writes times. */
function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+/, '');
}
