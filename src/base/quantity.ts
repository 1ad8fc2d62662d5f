const FACTORS: Readonly<Record<string, number>> = {
  '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
};

/** Divided by, so that `500m` is exactly what `0.5` is. */
const FRACTIONS: typeof FACTORS = { n: 1e9, u: 1e6, m: 1e3 };

/** A Kubernetes quantity in any of its forms (`1.5`, `500m`, `1e3`, `2Gi`) as a number; 0 where there is none. Throws RangeError for anything else. */
export function amountOf(quantity = '0'): number {
  const [, digits = '', unit = ''] = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)$/.exec(quantity) ?? [];
  const amount = FRACTIONS[unit] === undefined ? Number(digits) * (FACTORS[unit] ?? NaN) : Number(digits) / FRACTIONS[unit];
  if (digits === '' || Number.isNaN(amount)) throw new RangeError(`${quantity} is not a quantity such as 1.5, 500m or 2Gi`);
  return amount;
}

/** Bytes of a Kubernetes quantity such as `512Mi`, rounded up. Throws RangeError for anything else. */
export function bytesOf(quantity: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)([KMGTPE]i|[kMGTPE])?$/.exec(quantity);
  const factor = FACTORS[match?.[2] ?? ''];
  if (match?.[1] === undefined || factor === undefined) throw new RangeError(`${quantity} is not a quantity of bytes such as 512Mi`);
  return Math.ceil(Number(match[1]) * factor);
}

/** Whole mebibytes of a quantity, rounded up. */
export function mebibytesOf(quantity: string): number {
  return Math.ceil(bytesOf(quantity) / 2 ** 20);
}

/** Thousandths of a CPU of a Kubernetes quantity such as `100m` or `1.5`, rounded up; 0 where there is none. */
export function millicpuOf(quantity?: string): number {
  // A thousandth of a thousandth is an error of floating point.
  return Math.ceil(Number((amountOf(quantity) * 1000).toFixed(3)));
}

/** A number of bytes for people: `512Mi`, `1.5Gi`. */
export function formatBytes(bytes: number): string {
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)}${units[unit] ?? ''}`;
}

/** A whole number of bytes as Kubernetes writes it: in the largest unit that leaves no fraction. */
export function exactBytes(bytes: number): string {
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti'];
  const unit = bytes === 0 ? 0 : units.findLastIndex((_, power) => bytes % 1024 ** power === 0);
  return `${bytes / 1024 ** unit}${units[unit] ?? ''}`;
}
