import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { ManualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import type { Pod } from '../kube/core.ts';
import { SimulatedHypervisor } from '../vm/drivers/simulated/hypervisor.ts';
import { GuestError, type GuestDefinition } from '../vm/port.ts';
import { anchorOf } from './anchor.ts';
import { registerGuestMetrics } from './guest-metrics.ts';

const definition = (id: string): GuestDefinition => ({ id, name: `shop.${id}`, hostname: id, memoryMiB: 64, cpu: { sockets: 1, cores: 1, threads: 1 }, boot: { kind: 'firmware', firmware: 'bios' }, disks: [], interfaces: [], consoleLogPath: '/nowhere/console.log' });
const pod: Pod = {
  apiVersion: 'v1', kind: 'Pod', spec: { containers: [], nodeName: 'n1' },
  metadata: { namespace: 'shop', name: 'web-abcde', uid: 'p1', labels: { 'yadokari.dev/virtual-machine': 'web' }, annotations: { 'yadokari.dev/guest': JSON.stringify({ name: 'web', uid: 'web', memoryMiB: 64 }) } },
};
const labels = '{namespace="shop",virtual_machine="web",pod="web-abcde",node="n1"}';

/** A node on which the guests `web`, with an anchor, and `orphan`, without one, run for five seconds now. */
async function given() {
  const clock = new ManualClock(1_000_000);
  const hypervisor = new SimulatedHypervisor({ clock, startMs: 0, consoleLogs: false });
  const starts = ['web', 'orphan'].map((id) => hypervisor.start(definition(id)));
  await clock.advance(5000);
  await Promise.all(starts);
  const registry = new Registry();
  registerGuestMetrics({ registry, hypervisor, node: 'n1', anchorOf: (id) => (id === 'web' ? anchorOf(pod) : undefined), clock, log: silentLog });
  const lines = async () => (await registry.metrics()).split('\n').filter((line) => line.startsWith('yadokari_guest_'));
  return { clock, hypervisor, lines };
}

describe('the metrics of guests', () => {
  it('tell what each guest used, by machine and pod', async () => {
    const { lines } = await given();
    assert.deepEqual(await lines(), [
      `yadokari_guest_cpu_seconds_total${labels} 0.5`,
      `yadokari_guest_memory_resident_bytes${labels} ${64 * 2 ** 20}`,
      `yadokari_guest_memory_limit_bytes${labels} ${161 * 2 ** 20}`,
      `yadokari_guest_disk_read_bytes_total${labels} 0`,
      `yadokari_guest_disk_written_bytes_total${labels} 0`,
      `yadokari_guest_network_received_bytes_total${labels} 0`,
      `yadokari_guest_network_sent_bytes_total${labels} 0`,
      'yadokari_guest_figures_timestamp_seconds 1005',
    ]);
  });

  it('are read anew after a second, and only then', async (t) => {
    const { clock, hypervisor, lines } = await given();
    const usage = t.mock.method(hypervisor, 'usage');
    await Promise.all([lines(), lines()]);
    await clock.advance(999);
    await lines();
    assert.equal(usage.mock.callCount(), 1);
    await clock.advance(1);
    assert.ok((await lines()).includes(`yadokari_guest_cpu_seconds_total${labels} 0.6`));
    assert.equal(usage.mock.callCount(), 2);
  });

  it('forget guests that are gone', async () => {
    const { clock, hypervisor, lines } = await given();
    await lines();
    await hypervisor.destroy('web');
    await clock.advance(1000);
    assert.deepEqual(await lines(), ['yadokari_guest_figures_timestamp_seconds 1006']);
  });

  it('are none while the hypervisor does not answer', async (t) => {
    const { clock, hypervisor, lines } = await given();
    await lines();
    t.mock.method(hypervisor, 'usage', () => Promise.reject(new GuestError('HypervisorUnavailable', 'libvirtd does not answer')));
    await clock.advance(1000);
    assert.deepEqual(await lines(), ['yadokari_guest_figures_timestamp_seconds 0']);
  });

  it('leave out what a guest does not tell', async (t) => {
    const { hypervisor, lines } = await given();
    t.mock.method(hypervisor, 'usage', async () => [{ id: 'web', cpuSeconds: 2, networkReceivedBytes: 1, networkSentBytes: 1 }]);
    assert.deepEqual((await lines()).map((line) => line.split('{')[0]), [
      'yadokari_guest_cpu_seconds_total', 'yadokari_guest_memory_limit_bytes', 'yadokari_guest_network_received_bytes_total', 'yadokari_guest_network_sent_bytes_total', 'yadokari_guest_figures_timestamp_seconds 1005',
    ]);
  });
});
