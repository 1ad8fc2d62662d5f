import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { examplePod, exampleSpec } from '../examples.ts';
import type { PodManifest } from '../pod.ts';
import { excessOf, hasDiskLimit } from './limits.ts';
import type { NodeRoom } from './port.ts';
import { PressureMemory, shortagesOf } from './shortages.ts';
import { requestOf, type PodUsage } from './usage.ts';
import { victimOf } from './victim.ts';

const MI = 2 ** 20;
const room: NodeRoom = { memoryAvailableBytes: 500 * MI, diskCapacityBytes: 1000 * MI, diskAvailableBytes: 500 * MI, inodes: 1000, inodesFree: 500 };

describe('what a node is short of', () => {
  for (const [what, change, expected] of [
    ['nothing', {}, []],
    ['memory', { memoryAvailableBytes: 49 * MI }, ['memory']],
    ['room on its disk', { diskAvailableBytes: 99 * MI }, ['ephemeral-storage']],
    ['inodes', { inodesFree: 49 }, ['inodes']],
    ['everything, memory first', { memoryAvailableBytes: 0, diskAvailableBytes: 0, inodesFree: 0 }, ['memory', 'ephemeral-storage', 'inodes']],
    ['nothing, on a file system that does not count inodes', { inodes: 0, inodesFree: 0 }, []],
  ] as const) it(what, () => assert.deepEqual(shortagesOf({ ...room, ...change }).map(({ resource }) => resource), expected));

  it('is said for five minutes after it is over', () => {
    const memory = new PressureMemory();
    assert.deepEqual([...memory.look({ ...room, memoryAvailableBytes: 0 }, 0)], ['MemoryPressure']);
    assert.deepEqual([...memory.look(room, 299_000)], ['MemoryPressure']);
    assert.deepEqual([...memory.look(room, 300_000)], []);
  });
});

describe('who has to go', () => {
  const shortage = { resource: 'memory', threshold: 50 * MI, available: 20 * MI } as const;
  const pod = (name: string, { request = '0', priority = 0 }: { readonly request?: string; readonly priority?: number } = {}): PodManifest =>
    examplePod({ priority, containers: [exampleSpec('c', { resources: { requests: { memory: request } } })] }, { metadata: { name, uid: name } });
  const using = (of: PodManifest, mebibytes: number): PodUsage => ({ pod: of, containers: [{ name: 'c', memoryBytes: mebibytes * MI, diskBytes: 0 }], volumes: [] });
  const name = (...usages: readonly PodUsage[]): string | undefined => victimOf(shortage, usages)?.pod.metadata.name;

  it('uses more than it asked for, though another uses more', () => assert.equal(name(using(pod('modest', { request: '200Mi' }), 150), using(pod('greedy', { request: '10Mi' }), 20)), 'greedy'));
  it('is of less priority', () => assert.equal(name(using(pod('high', { priority: 10 }), 150), using(pod('low'), 20)), 'low'));
  it('uses most beyond what it asked for', () => assert.equal(name(using(pod('asked', { request: '100Mi' }), 150), using(pod('silent'), 80)), 'silent'));
  it('is nobody who is critical to the cluster', () => assert.equal(name(using(pod('system', { priority: 2_000_000_000 }), 150)), undefined));
  it('is told which container it was, and how much', () => {
    assert.equal(victimOf(shortage, [using(pod('p', { request: '10Mi' }), 20)])?.eviction.message, 'The node was low on resource: memory. Threshold quantity: 50Mi, available: 20Mi. Container c was using 20Mi, request is 10Mi, has larger consumption of memory. ');
    const inodes = { resource: 'inodes', threshold: 50, available: 3 } as const;
    assert.equal(victimOf(inodes, [using(pod('p'), 20)])?.eviction.message, 'The node was low on resource: inodes. Threshold quantity: 50, available: 3. ');
  });

  it('has been promised what its containers are together, or the largest of those before them', () => {
    const asking = (memory: string) => ({ resources: { requests: { memory } } });
    const of = (init: string): PodManifest => examplePod({ initContainers: [exampleSpec('i', asking(init)), exampleSpec('s', { ...asking('5Mi'), restartPolicy: 'Always' })], containers: [exampleSpec('a', asking('10Mi')), exampleSpec('b', asking('20Mi'))] });
    assert.deepEqual([requestOf(of('1Mi'), 'memory') / MI, requestOf(of('64Mi'), 'memory') / MI], [35, 64]);
  });
});

describe('what a pod may keep on disk', () => {
  const limited = (limit?: string) => exampleSpec('c', limit === undefined ? {} : { resources: { limits: { 'ephemeral-storage': limit } } });
  const bounded = (sizeLimit?: string, medium?: string, limit?: string): PodManifest => examplePod({ volumes: [{ name: 'v', emptyDir: { ...(sizeLimit === undefined ? {} : { sizeLimit }), ...(medium === undefined ? {} : { medium }) } }], containers: [limited(limit)] });
  const excess = (pod: PodManifest, volume: number, container: number): string | undefined => excessOf({ pod, containers: [{ name: 'c', memoryBytes: 0, diskBytes: container * MI }], volumes: [{ name: 'v', bytes: volume * MI }] })?.message;

  it('is counted where it is bounded', () => assert.deepEqual([bounded(), bounded('1Mi'), bounded('1Mi', 'Memory'), bounded(undefined, undefined, '1Mi')].map(hasDiskLimit), [false, true, false, true]));
  it('ends at the size of an emptyDir', () => assert.deepEqual([excess(bounded('2Mi'), 2, 9), excess(bounded('2Mi'), 3, 0)], [undefined, 'Usage of EmptyDir volume "v" exceeds the limit "2Mi". ']));
  it('ends at what all containers may, volumes included', () => assert.equal(excess(bounded(undefined, undefined, '4Mi'), 3, 2), 'Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. '));
  it('ends at what one container may, whatever the others do', () => {
    const pod = examplePod({ containers: [limited('1Mi'), { ...limited('9Mi'), name: 'd' }] });
    assert.equal(excess(pod, 0, 2), 'Container c exceeded its local ephemeral storage limit "1Mi". ');
  });
});
