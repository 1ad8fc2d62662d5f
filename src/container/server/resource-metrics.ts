import { total, type ContainerFigures, type NodeFigures } from './figures.ts';

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** `/metrics/resource`, in Prometheus' text format: what metrics-server reads. Names and help are the kubelet's. */
export function resourceMetricsOf({ atMs, pressure, pods }: NodeFigures): string {
  const podLabels = ({ metadata: { name, namespace = '' } }: (typeof pods)[number]['pod']): Readonly<Record<string, string>> => ({ namespace, pod: name });
  const perContainer = (value: (figures: ContainerFigures) => number): readonly Sample[] => pods.flatMap(({ pod, containers }) => containers.map((figures) => ({ labels: { container: figures.name, ...podLabels(pod) }, value: value(figures) })));
  const perPod = (value: (figures: (typeof pods)[number]) => number): readonly Sample[] => pods.map((figures) => ({ labels: podLabels(figures.pod), value: value(figures) }));
  const ofNode = (value: number): readonly Sample[] => [{ labels: {}, value }];
  return [
    family('container_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed by the container in core-seconds', perContainer(({ cpuNanoseconds }) => cpuNanoseconds / 1e9), atMs),
    family('container_memory_working_set_bytes', 'gauge', 'Current working set of the container in bytes', perContainer(({ memoryWorkingSetBytes }) => memoryWorkingSetBytes), atMs),
    family('container_start_time_seconds', 'gauge', 'Start time of the container since unix epoch in seconds', perContainer(({ startedAtMs }) => startedAtMs / 1000)),
    family('node_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed by the node in core-seconds', ofNode(pressure.cpuNanoseconds / 1e9), atMs),
    family('node_memory_working_set_bytes', 'gauge', 'Current working set of the node in bytes', ofNode(pressure.memoryWorkingSetBytes), atMs),
    family('pod_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed by the pod in core-seconds', perPod((pod) => total(pod, 'cpuNanoseconds') / 1e9), atMs),
    family('pod_memory_working_set_bytes', 'gauge', 'Current working set of the pod in bytes', perPod((pod) => total(pod, 'memoryWorkingSetBytes')), atMs),
    family('resource_scrape_error', 'gauge', '1 if there was an error while getting container metrics, 0 otherwise', ofNode(0)),
  ].join('');
}

function family(name: string, type: 'counter' | 'gauge', help: string, samples: readonly Sample[], atMs?: number): string {
  if (samples.length === 0) return '';
  const lines = samples.map(({ labels, value }) => `${name}${labelText(labels)} ${value}${atMs === undefined ? '' : ` ${atMs}`}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
