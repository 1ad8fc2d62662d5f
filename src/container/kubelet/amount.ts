const FACTORS: Readonly<Record<string, number>> = {
  '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
};

/** Divided by, so that `500m` is exactly what `0.5` is. */
const FRACTIONS: typeof FACTORS = { n: 1e9, u: 1e6, m: 1e3 };

/** A Kubernetes quantity in any of its forms (`1.5`, `500m`, `1e3`, `2Gi`) as a number; 0 where there is none. */
export function amountOf(quantity = '0'): number {
  const [, digits = '', unit = ''] = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)$/.exec(quantity) ?? [];
  const amount = FRACTIONS[unit] === undefined ? Number(digits) * (FACTORS[unit] ?? NaN) : Number(digits) / FRACTIONS[unit];
  if (digits === '' || Number.isNaN(amount)) throw new RangeError(`${quantity} is not a quantity such as 1.5, 500m or 2Gi`);
  return amount;
}
