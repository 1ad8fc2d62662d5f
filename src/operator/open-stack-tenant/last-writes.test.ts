import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../kube/object.ts';
import { Written } from './last-writes.ts';

const object = (resourceVersion: string): KubeObject => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a', resourceVersion } });

test('an object is waited for until the cache shows what was written, or something newer', () => {
  const written = new Written();
  assert.equal(written.leftMs('k', object('9'), 0), 0);
  written.wrote('k', object('10'), 0);
  assert.equal(written.leftMs('k', undefined, 500), 1500);
  assert.equal(written.leftMs('k', object('9'), 500), 1500);
  assert.equal(written.leftMs('k', object('10'), 500), 0);
  written.wrote('k', object('12'), 0);
  assert.equal(written.leftMs('k', object('13'), 500), 0);
});

test('a cache that never shows it is not waited for', () => {
  const written = new Written();
  written.wrote('k', object('10'), 0);
  assert.equal(written.leftMs('k', undefined, 2000), 0);
  assert.equal(written.leftMs('k', undefined, 2001), 0);
});
