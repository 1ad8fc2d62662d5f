import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PodManifest } from '../kubelet/pod.ts';
import { targetOf } from './target.ts';

const web: PodManifest = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'shop', uid: 'u1' }, spec: { containers: [] } };
const node = { pod: (namespace: string, name: string) => (namespace === 'shop' && name === 'web' ? web : undefined) };

describe('what a path asks for', () => {
  const good: Readonly<Record<string, readonly [string, string]>> = {
    '/containerLogs/shop/web/app': ['containerLogs', 'app'],
    '/exec/shop/web/app?command=x': ['exec', 'app'],
    '/exec/shop/web/u1/app': ['exec', 'app'],
    '/attach/shop/web/a%70p': ['attach', 'app'],
    '/portForward/shop/web': ['portForward', ''],
    '/portForward/shop/web/u1': ['portForward', ''],
  };
  for (const [path, [verb, container]] of Object.entries(good)) {
    it(`is understood: ${path}`, () => {
      const target = targetOf(new URL(path, 'https://node'), node);
      assert.deepEqual([target.verb, target.container, target.pod], [verb, container, web]);
    });
  }

  const bad: Readonly<Record<string, readonly [number, string]>> = {
    '/': [404, '404 page not found'],
    '/run/shop/web/app': [404, '404 page not found'],
    '/exec/shop/web': [404, '404 page not found'],
    '/exec/shop/web/': [404, '404 page not found'],
    '/exec/shop/web/u1/app/more': [404, '404 page not found'],
    '/exec/shop/other/app': [404, 'pod does not exist'],
    '/containerLogs/other/web/app': [404, 'pod "web" does not exist'],
    '/exec/shop/web/u2/app': [404, 'pod not found'],
    '/portForward/shop/web/u2': [404, 'pod not found'],
    '/exec/shop/web/%ff': [400, '%ff is no part of a path'],
  };
  for (const [path, [status, message]] of Object.entries(bad)) {
    it(`is refused: ${path}`, () => assert.throws(() => targetOf(new URL(path, 'https://node'), node), { status, message }));
  }
});
