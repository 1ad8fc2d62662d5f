/** What one agent's page says of its guests. */
export interface GuestFigures {
  /** When they were read, in seconds by the node's clock; 0 when the hypervisor did not answer. */
  readonly at: number;
  readonly guests: readonly GuestFigure[];
}

export interface GuestFigure {
  readonly namespace: string;
  readonly machine: string;
  readonly pod: string;
  readonly node: string;
  readonly cpuSeconds: number;
  /** Absent where a busy guest does not tell. */
  readonly memoryBytes?: number;
}

export interface MachineUsage {
  readonly namespace: string;
  readonly machine: string;
  readonly node: string;
  /** Processors in use; absent for a guest that was just started. */
  readonly cores?: number;
  readonly memoryBytes?: number;
}

interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export function parseFigures(page: string): GuestFigures {
  const series = page.split('\n').filter((line) => line.startsWith('yadokari_guest_')).map(parseSeries);
  const of = (name: string) => series.filter((each) => each.name === name);
  const memory = new Map(of('yadokari_guest_memory_resident_bytes').map(({ labels, value }) => [`${labels['namespace']}/${labels['pod']}`, value]));
  return {
    at: of('yadokari_guest_figures_timestamp_seconds')[0]?.value ?? 0,
    guests: of('yadokari_guest_cpu_seconds_total').map(({ labels, value }) => {
      const { namespace = '', virtual_machine: machine = '', pod = '', node = '' } = labels;
      const memoryBytes = memory.get(`${namespace}/${pod}`);
      return { namespace, machine, pod, node, cpuSeconds: value, ...(memoryBytes === undefined ? {} : { memoryBytes }) };
    }),
  };
}

/** What the guests of a node use now, from two of its agent's pages, one a while after the other. */
export function usageBetween(earlier: GuestFigures, later: GuestFigures): readonly MachineUsage[] {
  const seconds = later.at - earlier.at;
  return later.guests.map(({ namespace, machine, pod, node, cpuSeconds, memoryBytes }) => {
    const before = earlier.guests.find((guest) => guest.namespace === namespace && guest.pod === pod)?.cpuSeconds;
    // A guest that was started anew meanwhile counts from zero.
    const known = before !== undefined && before <= cpuSeconds && earlier.at > 0 && seconds > 0;
    return { namespace, machine, node, ...(known ? { cores: (cpuSeconds - before) / seconds } : {}), ...(memoryBytes === undefined ? {} : { memoryBytes }) };
  });
}

function parseSeries(line: string): Series {
  const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  return { name, value: Number(value), labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', text = '']) => [label, text])) };
}
