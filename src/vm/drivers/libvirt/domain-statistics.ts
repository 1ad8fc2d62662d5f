import type { GuestUsage } from '../../port.ts';
import { readDomain, type DomainReference } from './procedures.ts';
import { XdrWriter, type XdrReader } from './rpc/xdr.ts';

/** virDomainStatsTypes of libvirt-domain.h, as far as we ask for them. */
const statistics = { balloon: 4, interface: 16, block: 32 } as const;
const activeDomains = 1;
/** What a busy guest cannot tell at once is left out, so that no guest holds up the figures of the others. */
const noWait = 1 << 29;

/** The kinds of virTypedParameter's values. */
const parameterReaders: Readonly<Record<number, (reader: XdrReader) => number | string>> = {
  1: (reader) => reader.int(),
  2: (reader) => reader.unsigned(),
  3: (reader) => Number(reader.hyper()),
  4: (reader) => Number(reader.unsignedHyper()),
  5: (reader) => reader.double(),
  6: (reader) => reader.int(),
  7: (reader) => reader.string(),
};

export interface DomainStatistics extends DomainReference {
  /** `balloon.rss`, `block.0.rd.bytes`, …: https://libvirt.org/html/libvirt-libvirt-domain.html#virConnectGetAllDomainStats */
  readonly values: ReadonlyMap<string, number | string>;
}

/** Asks for the figures of all domains that run. */
export function statisticsArgs(): Buffer {
  const { balloon, interface: network, block } = statistics;
  return new XdrWriter().unsigned(0).unsigned(balloon | network | block).unsigned(activeDomains | noWait).toBuffer();
}

export function readStatistics(reply: XdrReader): readonly DomainStatistics[] {
  return reply.array((reader) => ({ ...readDomain(reader), values: new Map(reader.array(readParameter)) }));
}

function readParameter(reader: XdrReader): readonly [string, number | string] {
  const name = reader.string();
  const type = reader.int();
  const read = parameterReaders[type];
  if (read === undefined) throw new RangeError(`libvirt: the parameter ${name} has the unknown type ${type}`);
  return [name, read(reader)];
}

/**
 * Processor time of a domain's process, in seconds, from the reply of domainGetInfo: the statistics take it from the
 * cgroup, which where there is one lags behind by up to a second. 0 when the domain has ended.
 */
export function readCpuSeconds(info: XdrReader): number {
  info.int();
  info.unsignedHyper();
  info.unsignedHyper();
  info.int();
  return Number(info.unsignedHyper()) / 1e9;
}

export function usageOf({ id, values }: DomainStatistics, cpuSeconds: number): GuestUsage {
  const resident = sumOf(values, /^balloon\.rss$/);
  const read = sumOf(values, /^block\.\d+\.rd\.bytes$/);
  const written = sumOf(values, /^block\.\d+\.wr\.bytes$/);
  return {
    id,
    cpuSeconds,
    ...(resident === undefined ? {} : { memoryBytes: resident * 1024 }),
    ...(read === undefined ? {} : { diskReadBytes: read }),
    ...(written === undefined ? {} : { diskWrittenBytes: written }),
    networkReceivedBytes: sumOf(values, /^net\.\d+\.rx\.bytes$/) ?? 0,
    networkSentBytes: sumOf(values, /^net\.\d+\.tx\.bytes$/) ?? 0,
  };
}

/** Undefined when there is no such figure. */
function sumOf(values: DomainStatistics['values'], name: RegExp): number | undefined {
  const found = [...values].flatMap(([key, value]) => (name.test(key) && typeof value === 'number' ? [value] : []));
  return found.length === 0 ? undefined : found.reduce((sum, value) => sum + value, 0);
}
