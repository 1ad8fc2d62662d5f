import { Counter, Gauge, type Registry } from 'prom-client';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { limitMiB } from '../vm/overhead.ts';
import type { GuestUsage, Hypervisor, HypervisorInfo } from '../vm/port.ts';
import type { Anchor } from './anchor.ts';

export interface GuestMetricsOptions {
  readonly registry: Registry;
  readonly hypervisor: Hypervisor;
  readonly node: string;
  /** The anchor of the guest with this id, if it has one. */
  readonly anchorOf: (guest: string) => Anchor | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

interface Figure {
  readonly type: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  /** Undefined where the guest does not tell. */
  readonly value: (usage: GuestUsage, anchor: Anchor, acceleration: HypervisorInfo['acceleration']) => number | undefined;
}

const figures: readonly Figure[] = [
  { type: 'counter', name: 'yadokari_guest_cpu_seconds_total', help: "Processor time of a guest's process.", value: ({ cpuSeconds }) => cpuSeconds },
  { type: 'gauge', name: 'yadokari_guest_memory_resident_bytes', help: "Memory of a guest's process that is resident.", value: ({ memoryBytes }) => memoryBytes },
  { type: 'gauge', name: 'yadokari_guest_memory_limit_bytes', help: 'Memory that a guest is held to: its own and the overhead of its process.', value: (_usage, { guest: { memoryMiB } }, acceleration) => limitMiB(memoryMiB, acceleration) * 2 ** 20 },
  { type: 'counter', name: 'yadokari_guest_disk_read_bytes_total', help: 'Bytes that a guest read from its disks.', value: ({ diskReadBytes }) => diskReadBytes },
  { type: 'counter', name: 'yadokari_guest_disk_written_bytes_total', help: 'Bytes that a guest wrote to its disks.', value: ({ diskWrittenBytes }) => diskWrittenBytes },
  { type: 'counter', name: 'yadokari_guest_network_received_bytes_total', help: 'Bytes that a guest received.', value: ({ networkReceivedBytes }) => networkReceivedBytes },
  { type: 'counter', name: 'yadokari_guest_network_sent_bytes_total', help: 'Bytes that a guest sent.', value: ({ networkSentBytes }) => networkSentBytes },
];

const labelNames = ['namespace', 'virtual_machine', 'pod', 'node'] as const;

/** What all guests with an anchor used, at one time. */
interface Sample {
  /** Milliseconds since the epoch; 0 when the hypervisor did not answer. */
  readonly at: number;
  readonly guests: readonly { readonly anchor: Anchor; readonly usage: GuestUsage; readonly acceleration: HypervisorInfo['acceleration'] }[];
}

const FRESH_MS = 1000;
/** A scrape has ten seconds. */
const PATIENCE_MS = 5000;

/**
 * What guests use, read from the hypervisor when the registry is asked, at most once a second. There are no figures of
 * guests that are gone, and none at all while the hypervisor does not answer.
 */
export function registerGuestMetrics(options: GuestMetricsOptions): void {
  const { registry, node } = options;
  const sample = sampler(options);
  for (const { type, name, help, value } of figures) {
    const Metric = type === 'counter' ? Counter : Gauge;
    registry.registerMetric(new Metric({
      name, help, labelNames, registers: [],
      async collect() {
        const { guests } = await sample();
        this.reset();
        for (const { anchor, usage, acceleration } of guests) {
          const figure = value(usage, anchor, acceleration);
          if (figure !== undefined) this.inc({ namespace: anchor.namespace, virtual_machine: anchor.guest.name, pod: anchor.name, node }, figure);
        }
      },
    }));
  }
  registry.registerMetric(new Gauge({
    name: 'yadokari_guest_figures_timestamp_seconds', help: "When the figures of the node's guests were read, in seconds since the epoch; 0 when they could not be.",
    registers: [],
    async collect() {
      this.set((await sample()).at / 1000);
    },
  }));
}

/** Shares one look at the hypervisor among all who ask within a second. */
function sampler({ hypervisor, anchorOf, clock, log }: GuestMetricsOptions): () => Promise<Sample> {
  // What guests run on stays, as long as the agent does.
  let acceleration: HypervisorInfo['acceleration'] | undefined;
  let latest: { readonly since: number; readonly sample: Promise<Sample> } | undefined;
  const take = async (): Promise<Sample> => {
    try {
      const usages = await hypervisor.usage(AbortSignal.timeout(PATIENCE_MS));
      const known = acceleration ??= (await hypervisor.info()).acceleration;
      const guests = usages.flatMap((usage) => {
        const anchor = anchorOf(usage.id);
        return anchor === undefined ? [] : [{ anchor, usage, acceleration: known }];
      });
      return { at: clock.now(), guests };
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'there are no figures of guests: the hypervisor does not answer');
      return { at: 0, guests: [] };
    }
  };
  return () => {
    if (latest === undefined || clock.now() - latest.since >= FRESH_MS) latest = { since: clock.now(), sample: take() };
    return latest.sample;
  };
}
