import type { ConformanceCase } from '../env/conformance-case.ts';
import { conformanceSuite } from '../env/conformance-suite.ts';
import { conformanceTable } from '../env/conformance-table.ts';

/** How many pods, spread over the table; all of them take an emulated guest more than an hour. */
const most = Number(process.env['YADO_TEST_PODS'] ?? Infinity);
/** Only these, by their names. */
const named = process.env['YADO_TEST_NAMES']?.split(',');

function spread(table: Readonly<Record<string, readonly ConformanceCase[]>>): Readonly<Record<string, readonly ConformanceCase[]>> {
  const step = Math.max(1, Object.values(table).flat().length / most);
  let index = 0;
  const isWanted = ({ name }: ConformanceCase): boolean => (named === undefined ? Math.floor(index++ % step) === 0 : named.includes(name));
  return Object.fromEntries(Object.entries(table).map(([group, cases]) => [group, cases.filter(isWanted)]));
}

conformanceSuite('a virtual node beside a kubelet, the whole table', { table: spread(conformanceTable), deadlineMs: 240_000, timeoutMs: 3 * 3_600_000, progress: true });
