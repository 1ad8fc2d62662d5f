import assert from 'node:assert/strict';
import { it } from 'node:test';
import { nodeStatus, tellsMore, type NodeFacts } from './node-status.ts';

const GI = 2 ** 30;
const facts: NodeFacts = {
  host: { node: 'web.shop', maxPods: 30, reservedMillicpu: 100, reservedBytes: 128 * 2 ** 20 },
  hostAddress: '10.0.0.11',
  kubeletPort: 10_260,
  info: { bootId: 'b', machineId: 'm', kernelVersion: '6.1', osImage: 'Tiny', architecture: 'amd64', cpus: 2, memoryBytes: GI },
  transport: 'virtio-serial',
  runtime: { runtimeName: 'containerd', runtimeVersion: '1.6.20' },
  pressure: { cpuNanoseconds: 0, memoryAvailableBytes: GI / 2, memoryWorkingSetBytes: 0, diskCapacityBytes: 10 * GI, diskAvailableBytes: 5 * GI, inodes: 1000, inodesFree: 900 },
  pressed: new Set(),
  unready: undefined,
};
const NOW = Date.parse('2026-01-01T12:00:00Z');
const conditions = (change: Partial<NodeFacts>): Record<string, string> => Object.fromEntries(nodeStatus({ ...facts, ...change }, [], NOW).conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));

it('offers what the guest has, less what is reserved', () => {
  const { capacity, allocatable } = nodeStatus(facts, [], NOW);
  assert.deepEqual(capacity, { cpu: '2', memory: '1048576Ki', 'ephemeral-storage': '10485760Ki', pods: '30' });
  assert.deepEqual(allocatable, { cpu: '1900m', memory: '917504Ki', 'ephemeral-storage': '10485760Ki', pods: '30' });
});

it('is ready while the guest runs pods, and says why it is not', () => {
  assert.equal(conditions({})['Ready'], 'True KubeletReady');
  assert.equal(conditions({ unready: { reason: 'GuestStopped', message: 'x' } })['Ready'], 'False GuestStopped');
});

it('tells what the guest runs out of', () => {
  assert.equal(conditions({ pressed: new Set(['MemoryPressure']) })['MemoryPressure'], 'True KubeletHasInsufficientMemory');
  const disk = conditions({ pressed: new Set(['DiskPressure']) });
  assert.deepEqual([disk['DiskPressure'], disk['MemoryPressure']], ['True KubeletHasDiskPressure', 'False KubeletHasSufficientMemory']);
});

it('keeps the time of a condition that did not change', () => {
  const before = nodeStatus(facts, [], NOW).conditions;
  const after = nodeStatus({ ...facts, unready: { reason: 'GuestStopped', message: 'x' } }, before, NOW + 60_000).conditions;
  const times = Object.fromEntries(after.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]));
  assert.equal(times['Ready'], '2026-01-01T12:01:00Z');
  assert.equal(times['DiskPressure'], '2026-01-01T12:00:00Z');
});

it('has nothing new to tell when only time went by', () => {
  const first = nodeStatus(facts, [], NOW);
  assert.equal(tellsMore(nodeStatus(facts, first.conditions, NOW + 5000), first), false);
  assert.equal(tellsMore(nodeStatus({ ...facts, unready: { reason: 'x', message: 'y' } }, first.conditions, NOW), first), true);
});
