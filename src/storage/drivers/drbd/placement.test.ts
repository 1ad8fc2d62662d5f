import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { place, roomFor, type NodeReport, type PlacementRequest } from './placement.ts';

const now = Date.parse('2030-01-01T00:10:00Z');
const node = (name: string, availableBytes: number, more: Partial<NodeReport> = {}): NodeReport => ({ node: name, availableBytes, time: '2030-01-01T00:09:00Z', ...more });
const nodes = [node('a', 100, { zone: 'x' }), node('b', 300, { zone: 'x' }), node('c', 200, { zone: 'y' }), node('d', 900, { time: '2030-01-01T00:00:00Z' }), node('e', 900, { lacking: 'there is no volume group vg' })];
const chosen = (more: Partial<PlacementRequest> = {}) => place({ nodes, replicas: 2, bytes: 50, preferred: [], nowMs: now, ...more });

describe('the nodes of a new volume', () => {
  it('are those with the most room, in different zones', () => {
    assert.deepEqual(chosen(), ['b', 'c']);
    assert.deepEqual(chosen({ replicas: 3 }), ['b', 'c', 'a']);
    assert.deepEqual(chosen({ bytes: 250, replicas: 1 }), ['b']);
  });

  it('are one that is preferred, and others', () => {
    assert.deepEqual(chosen({ preferred: ['a', 'b'] }), ['a', 'c']);
    assert.deepEqual(chosen({ preferred: ['d', 'c'] }), ['c', 'b']);
    assert.deepEqual(chosen({ allowed: ['a'] }), ['a', 'c']);
  });

  it('are not there when too few have room, and it says what each lacks', () => {
    assert.throws(() => chosen({ bytes: 250 }), { code: 'NoSpace', message: '2 nodes with 250 bytes are wanted, and 1 can be had: a has 100 bytes left; c has 200 bytes left; d is silent; e: there is no volume group vg' });
    assert.throws(() => chosen({ allowed: ['d'] }), { code: 'NoSpace', message: /one of them to be among d/ });
  });

  it('say how large a volume may be', () => {
    assert.deepEqual([roomFor(nodes, 1, now), roomFor(nodes, 2, now), roomFor(nodes, 4, now)], [300, 200, 0]);
  });
});
