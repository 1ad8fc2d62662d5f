/** What a program says of itself, in Prometheus' text format. */
export class MetricsPage {
  readonly #samples: ReadonlyMap<string, number>;

  constructor(text: string) {
    this.#samples = new Map(text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))] as const;
    }));
  }

  value(name: string): number {
    return this.#samples.get(name) ?? Number.NaN;
  }

  /** Writes of the API so far, besides events and leases. */
  writes(): number {
    return [...this.writesByCall().values()].reduce((sum, writes) => sum + writes, 0);
  }

  /** The same by verb, kind and how they ended, such as `apply VirtualMachine`. */
  writesByCall(): ReadonlyMap<string, number> {
    return new Map([...this.#samples].flatMap(([series, value]) => {
      const [, verb = '', kind = '', code = ''] = /^yadokari_api_calls_total\{verb="(create|update|patch|apply|delete)",kind="(\w+)",code="(\w+)"/.exec(series) ?? [];
      return verb === '' || kind === 'Event' || kind === 'Lease' ? [] : [[`${verb} ${kind}${code === 'ok' ? '' : ', refused'}`, value] as const];
    }));
  }

  /** The quantile of a histogram since an earlier page, interpolated within its bucket as Prometheus does. */
  quantile(histogram: string, label: string, share: number, since: MetricsPage): number {
    const buckets = [...this.#samples].filter(([series]) => series.startsWith(`${histogram}_bucket{`) && series.includes(label)).map(([series, value]) => {
      const limit = /le="([^"]+)"/.exec(series)?.[1] ?? '';
      return { limit: limit === '+Inf' ? Infinity : Number(limit), count: value - (since.#samples.get(series) ?? 0) };
    }).sort((a, b) => a.limit - b.limit);
    const rank = share * (buckets.at(-1)?.count ?? 0);
    const index = buckets.findIndex(({ count }) => count >= rank);
    const [bucket, below] = [buckets[index], buckets[index - 1] ?? { limit: 0, count: 0 }];
    if (bucket === undefined) return Number.NaN;
    if (bucket.limit === Infinity) return below.limit;
    return below.limit + (bucket.limit - below.limit) * ((rank - below.count) / Math.max(bucket.count - below.count, 1));
  }
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
