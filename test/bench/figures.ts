export interface Figure {
  readonly what: string;
  readonly value: string;
  /** The raw floor of the same run and the ratio to it, or what is aimed at. */
  readonly beside?: string;
  readonly goal?: string;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function milliseconds(value: number): string {
  return value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${Math.round(value)} ms`;
}

export function ratio(what: string, ours: readonly number[], raw: readonly number[], rawName: string, goal: string): Figure {
  const [a, b] = [median(ours), median(raw)];
  return { what, value: milliseconds(a), beside: `${rawName} ${milliseconds(b)}: ${(a / b).toFixed(2)} ×`, goal };
}

export function printFigures(title: string, figures: readonly Figure[]): void {
  console.log(`\n${title}`);
  const width = (pick: (figure: Figure) => string): number => Math.max(...figures.map((figure) => pick(figure).length));
  const [what, value, beside] = [width((f) => f.what), width((f) => f.value), width((f) => f.beside ?? '')];
  for (const figure of figures) console.log(`  ${figure.what.padEnd(what)}  ${figure.value.padStart(value)}  ${(figure.beside ?? '').padEnd(beside)}  ${figure.goal === undefined ? '' : `goal ${figure.goal}`}`.trimEnd());
}
