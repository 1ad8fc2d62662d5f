import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import { SimulatedCloud } from '../../openstack/drivers/simulated/cloud.ts';
import { heldBack, operate } from './operate.ts';
import { contextWith } from './targets/context-builder.ts';

const signal = AbortSignal.timeout(20_000);

/** A server with a volume whose claim is `data`, and its machine as it was last in sync. */
async function given(spec: object) {
  const clock = new ManualClock(Date.parse('2026-01-01T12:00:00Z'));
  const cloud = new SimulatedCloud({ clock, actionMs: 2000 });
  const volume = await cloud.volume?.createVolume({ name: 'data', sizeGiB: 1 }) ?? assert.fail();
  await clock.advance(2000);
  const { id } = cloud.compute.add({ name: 'db', flavorId: 'm1.tiny', networks: 'none', disks: [{ source: { kind: 'volume', id: volume.id }, destination: 'volume', deleteOnTermination: false }] });
  const flavors = new Map(['m1.tiny', 'm1.large'].map((name) => [name, { id: name, name }])) as never;
  const context = contextWith({
    state: { flavors, volumes: new Map(cloud.volume?.table) }, mirrorOf: (target, of) => ({ name: target === 'flavors' ? of.replace('.', '-') : 'data' }),
    mirroredBy: (target, name) => (target === 'flavors' ? name.replace('-', '.') : volume.id), nowMs: clock.now(),
  });
  const machine = {
    metadata: { namespace: 'web', name: 'db', generation: 2 },
    spec: { provider: { openstack: { tenant: 'shop', server: id } }, runStrategy: 'Always', instanceType: 'm1-tiny', disks: [{ name: 'mine', persistentVolumeClaim: 'data' }], ...spec },
    status: { provider: { openstack: { status: 'ACTIVE', synced: 'Always', syncedInstanceType: 'm1-tiny', syncedVolumes: [volume.id] } } },
  } as unknown as VirtualMachine;
  return { cloud, volume, machine, there: () => cloud.compute.table.get(id) ?? assert.fail(), run: () => operate(cloud.compute, cloud.compute.table.get(id) ?? assert.fail(), machine, context, signal) };
}

test('a machine that is as its server is left alone', async () => {
  const { run, cloud, volume } = await given({});
  const before = cloud.requests.total;
  const { outcome, isPending, isRefused, notes } = await run();
  assert.deepEqual([outcome.condition.reason, isPending, isRefused, notes, cloud.requests.total - before], ['InSync', false, false, [], 0]);
  assert.deepEqual([outcome.disks, outcome.size], [{ disks: [{ name: 'mine', persistentVolumeClaim: 'data' }], synced: [volume.id], requested: [] }, { instanceType: 'm1-tiny', synced: 'm1-tiny' }]);
});

test('a server takes one change at a time: power, then size, then volumes', async () => {
  const { run, there } = await given({ runStrategy: 'Halted', instanceType: 'm1-large', disks: undefined });
  const { outcome, isPending } = await run();
  assert.deepEqual([there().task, there().volumes.length, isPending], ['powering-off', 1, true]);
  assert.deepEqual([outcome.size, outcome.disks.disks], [{ instanceType: 'm1-large', synced: 'm1-tiny', requested: undefined }, []], 'what was written here stays');
  const other = await given({ instanceType: 'm1-large', disks: undefined });
  const resized = await other.run();
  assert.deepEqual([other.there().task, other.there().volumes.length, resized.outcome.condition.reason], ['resize_prep', 1, 'Requested']);
});

test('all that a locked server refuses is told, and stays told until the next try', async () => {
  const { run, there, cloud, machine } = await given({ runStrategy: 'Halted', instanceType: 'm1-large', disks: undefined });
  await cloud.compute.act(there().id, { kind: 'lock' });
  const { outcome, isRefused, isPending } = await run();
  assert.deepEqual([isRefused, isPending, outcome.condition.reason], [true, false, 'Conflict']);
  for (const part of ['refuses to stop', 'refuses to resize', 'refuses to detach the volume of claim data']) assert.ok(outcome.condition.message.includes(part), part);
  const told = { ...machine, status: { ...machine.status, conditions: [{ ...outcome.condition, lastTransitionTime: '' }] } } as VirtualMachine;
  const held = heldBack(told);
  assert.deepEqual([held.outcome.condition, held.outcome.runStrategy, held.outcome.size.instanceType, held.outcome.disks.disks, held.isRefused], [outcome.condition, 'Halted', 'm1-large', [], true]);
});
