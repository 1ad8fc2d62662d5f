import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { usageTable } from '../top-command.ts';
import { parseFigures, usageBetween } from './figures.ts';

const guest = (pod: string, cpuSeconds: number, memoryBytes?: number): string => {
  const labels = `{namespace="shop",virtual_machine="${pod.split('-')[0]}",pod="${pod}",node="n1"}`;
  return [`yadokari_guest_cpu_seconds_total${labels} ${cpuSeconds}`, ...(memoryBytes === undefined ? [] : [`yadokari_guest_memory_resident_bytes${labels} ${memoryBytes}`])].join('\n');
};
const page = (at: number, ...guests: readonly string[]): string => ['# TYPE yadokari_guest_cpu_seconds_total counter', 'process_cpu_seconds_total 7', ...guests, `yadokari_guest_figures_timestamp_seconds ${at}`, ''].join('\n');
const usage = (earlier: string, later: string) => usageBetween(parseFigures(earlier), parseFigures(later));

describe('the usage of machines', () => {
  it('is what was used between two readings, by the time at which they were made', () => {
    assert.deepEqual(usage(page(1000.5, guest('web-a', 10, 5e7)), page(1002.5, guest('web-a', 11, 6e7))), [
      { namespace: 'shop', machine: 'web', node: 'n1', cores: 0.5, memoryBytes: 6e7 },
    ]);
  });

  for (const [what, earlier] of [
    ['was not there before', page(1000)],
    ['was started anew in the same pod', page(1000, guest('web-a', 10))],
    ['is in another pod now', page(1000, guest('web-b', 0.5))],
    ['was read at the same time', page(1001, guest('web-a', 0.5))],
    ['was not read before, for its hypervisor did not answer', page(0, guest('web-a', 0.5))],
  ] as const) {
    it(`tells no processors of a guest that ${what}`, () => {
      assert.deepEqual(usage(earlier, page(1001, guest('web-a', 1))), [{ namespace: 'shop', machine: 'web', node: 'n1' }]);
    });
  }

  it('is shown as kubectl shows that of pods', () => {
    const rows = [{ namespace: 'shop', machine: 'web', node: 'n1', cores: 0.0301, memoryBytes: 200 * 2 ** 20 + 1 }, { namespace: 'lab', machine: 'db', node: 'n2' }];
    assert.equal(usageTable(rows, true), [
      'NAMESPACE  NAME  CPU(cores)  MEMORY(bytes)  NODE',
      'lab        db    -           -              n2',
      'shop       web   31m         200Mi          n1',
    ].join('\n'));
    assert.equal(usageTable(rows.slice(0, 1), false), ['NAME  CPU(cores)  MEMORY(bytes)  NODE', 'web   31m         200Mi          n1'].join('\n'));
  });
});
