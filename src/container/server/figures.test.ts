import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContainerStats, Cri, CriContainer } from '../cri.ts';
import type { PodManifest } from '../kubelet/pod.ts';
import { figuresOf, type NodeFigures } from './figures.ts';
import { resourceMetricsOf } from './resource-metrics.ts';
import { summaryOf } from './summary.ts';

const pressure = { cpuNanoseconds: 12_500_000_000, memoryAvailableBytes: 700, memoryWorkingSetBytes: 300, diskCapacityBytes: 1000, diskAvailableBytes: 400, inodes: 100, inodesFree: 90 };
const pod = (name: string): PodManifest => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'shop', uid: `uid-${name}` }, spec: { containers: [] }, status: { startTime: '2026-01-01T00:00:00Z' } });
const labels = (owner: string, container: string) => ({ 'io.kubernetes.pod.uid': `uid-${owner}`, 'io.kubernetes.container.name': container });

function container(id: string, owner: string, name: string, state: CriContainer['state'] = 'RUNNING'): CriContainer {
  return { id, sandbox: '', metadata: { name, attempt: 0 }, state, createdAt: 1_700_000_000_500_000_000n, image: '', imageRef: '', labels: labels(owner, name), annotations: {} };
}

function stats(id: string, owner: string, name: string, factor: bigint): ContainerStats {
  return { id, metadata: { name, attempt: 0 }, labels: labels(owner, name), cpuNanoseconds: 1_500_000_000n * factor, memoryWorkingSetBytes: 10n * factor, memoryUsageBytes: 20n * factor, memoryRssBytes: 5n * factor, writableLayerBytes: 7n, writableLayerInodes: 3n, timestamp: 0n };
}

function figures(pods: readonly PodManifest[] = [pod('web'), pod('idle')]): Promise<NodeFigures> {
  const cri: Pick<Cri, 'listStats' | 'listContainers'> = {
    listStats: () => Promise.resolve([stats('1', 'web', 'app', 1n), stats('2', 'web', 'side', 2n), stats('0', 'web', 'app', 9n), stats('3', 'unknown', 'x', 1n)]),
    listContainers: () => Promise.resolve([container('1', 'web', 'app'), container('2', 'web', 'side'), container('0', 'web', 'app', 'EXITED'), container('3', 'unknown', 'x')]),
  };
  return figuresOf(cri as Cri, { pressure: () => Promise.resolve(pressure) }, pods, () => 1_800_000_000_000, AbortSignal.timeout(1000));
}

describe('figures of a node', () => {
  it('are metrics that Prometheus understands', async () => {
    assert.equal(resourceMetricsOf(await figures()), `# HELP container_cpu_usage_seconds_total Cumulative cpu time consumed by the container in core-seconds
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{container="app",namespace="shop",pod="web"} 1.5 1800000000000
container_cpu_usage_seconds_total{container="side",namespace="shop",pod="web"} 3 1800000000000
# HELP container_memory_working_set_bytes Current working set of the container in bytes
# TYPE container_memory_working_set_bytes gauge
container_memory_working_set_bytes{container="app",namespace="shop",pod="web"} 10 1800000000000
container_memory_working_set_bytes{container="side",namespace="shop",pod="web"} 20 1800000000000
# HELP container_start_time_seconds Start time of the container since unix epoch in seconds
# TYPE container_start_time_seconds gauge
container_start_time_seconds{container="app",namespace="shop",pod="web"} 1700000000.5
container_start_time_seconds{container="side",namespace="shop",pod="web"} 1700000000.5
# HELP node_cpu_usage_seconds_total Cumulative cpu time consumed by the node in core-seconds
# TYPE node_cpu_usage_seconds_total counter
node_cpu_usage_seconds_total 12.5 1800000000000
# HELP node_memory_working_set_bytes Current working set of the node in bytes
# TYPE node_memory_working_set_bytes gauge
node_memory_working_set_bytes 300 1800000000000
# HELP pod_cpu_usage_seconds_total Cumulative cpu time consumed by the pod in core-seconds
# TYPE pod_cpu_usage_seconds_total counter
pod_cpu_usage_seconds_total{namespace="shop",pod="web"} 4.5 1800000000000
# HELP pod_memory_working_set_bytes Current working set of the pod in bytes
# TYPE pod_memory_working_set_bytes gauge
pod_memory_working_set_bytes{namespace="shop",pod="web"} 30 1800000000000
# HELP resource_scrape_error 1 if there was an error while getting container metrics, 0 otherwise
# TYPE resource_scrape_error gauge
resource_scrape_error 0
`);
  });

  it('have no line that could be taken for another, whatever is in a label', async () => {
    const strange = { ...pod('web'), metadata: { ...pod('web').metadata, name: 'a"} 1\nb\\' } };
    const text = resourceMetricsOf(await figures([strange]));
    assert.match(text, /^pod_memory_working_set_bytes\{namespace="shop",pod="a\\"\} 1\\nb\\\\"\} 30 1800000000000$/m);
    const sample = /^[a-z_]+(\{[a-z]+="([^"\\\n]|\\[\\n"])*"(,[a-z]+="([^"\\\n]|\\[\\n"])*")*\})? [\d.e+-]+( \d+)?$/;
    for (const line of text.trimEnd().split('\n')) assert.ok(line.startsWith('# ') || sample.test(line), line);
  });

  it('have no families without samples', async () => {
    assert.doesNotMatch(resourceMetricsOf(await figures([])), /container_|pod_/);
  });

  it('are a summary, of what runs alone', async () => {
    const time = '2027-01-15T08:00:00Z';
    const memory = { time, workingSetBytes: 10, usageBytes: 20, rssBytes: 5 };
    const rootfs = { time, usedBytes: 7, inodesUsed: 3 };
    const startTime = '2023-11-14T22:13:20Z';
    assert.deepEqual(summaryOf('n1', await figures()), {
      node: {
        nodeName: 'n1',
        cpu: { time, usageCoreNanoSeconds: 12_500_000_000 },
        memory: { time, availableBytes: 700, workingSetBytes: 300 },
        fs: { time, availableBytes: 400, capacityBytes: 1000, usedBytes: 600, inodes: 100, inodesFree: 90, inodesUsed: 10 },
      },
      pods: [{
        podRef: { name: 'web', namespace: 'shop', uid: 'uid-web' },
        startTime: '2026-01-01T00:00:00Z',
        cpu: { time, usageCoreNanoSeconds: 4_500_000_000 },
        memory: { time, workingSetBytes: 30, usageBytes: 60, rssBytes: 15 },
        containers: [
          { name: 'app', startTime, cpu: { time, usageCoreNanoSeconds: 1_500_000_000 }, memory, rootfs },
          { name: 'side', startTime, cpu: { time, usageCoreNanoSeconds: 3_000_000_000 }, memory: { time, workingSetBytes: 20, usageBytes: 40, rssBytes: 10 }, rootfs },
        ],
      }],
    });
  });
});
