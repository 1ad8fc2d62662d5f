import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patchOf, pathsOf } from './patch.ts';

test('what is as wanted needs no patch, whatever else is there', () => {
  assert.equal(patchOf({ spec: { a: 1, b: [1, 2] }, other: true }, { spec: { b: [1, 2] } }), undefined);
});

test('only what differs is in the patch, and lists as a whole', () => {
  assert.deepEqual(patchOf({ spec: { a: 1, b: [1, 2], c: { d: 1, e: 2 } } }, { spec: { a: 1, b: [2], c: { d: 1, e: 3 } } }), { spec: { b: [2], c: { e: 3 } } });
});

test('of parts that are whole nothing is kept that is not wanted', () => {
  const whole = new Set(['spec']);
  assert.deepEqual(patchOf({ spec: { a: 1, deep: { b: 1, c: 2 } }, status: { x: 1 } }, { spec: { deep: { b: 1 } } }, whole), { spec: { a: null, deep: { c: null } } });
});

test('labels and annotations of the mirror go when they are not wanted, those of others stay', () => {
  const labels = { 'openstack.yadokari.dev/sg-old': '', mine: 'yes', 'openstack.yadokari.dev/id': '1' };
  assert.deepEqual(patchOf({ metadata: { labels } }, { metadata: { labels: { 'openstack.yadokari.dev/id': '1' } } }), { metadata: { labels: { 'openstack.yadokari.dev/sg-old': null } } });
});

test('what is wanted to be gone and is not there needs no patch', () => {
  assert.equal(patchOf({ spec: {} }, { spec: { uid: null } }), undefined);
  assert.deepEqual(patchOf({ spec: { uid: 'a' } }, { spec: { uid: null } }), { spec: { uid: null } });
});

test('paths of a patch are for people', () => {
  assert.deepEqual(pathsOf({ spec: { runStrategy: 'Always', a: { b: null } }, data: [1] }), ['spec.runStrategy', 'spec.a.b', 'data']);
});
