import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '../../kube/object.ts';
import { CACHE_LAG_MS, CacheLag } from './cache-lag.ts';

const version = (resourceVersion: string): KubeObject => ({ apiVersion: 'v1', kind: 'X', metadata: { namespace: 'shop', name: 'web', resourceVersion } });

describe('an object in the cache', () => {
  it('is waited for after a write, until the cache shows another version', () => {
    const lag = new CacheLag();
    assert.equal(lag.leftMs(version('1'), 0), 0);
    lag.wrote(version('1'), version('2'), 100);
    assert.equal(lag.leftMs(version('1'), 100), CACHE_LAG_MS);
    assert.equal(lag.leftMs(version('2'), 110), 0);
    assert.equal(lag.leftMs(version('1'), 120), 0);
  });

  it('is not waited for after a write that changed nothing', () => {
    const lag = new CacheLag();
    lag.wrote(version('1'), version('1'), 0);
    assert.equal(lag.leftMs(version('1'), 1), 0);
  });

  it('is not waited for longer than caches take', () => {
    const lag = new CacheLag();
    lag.wrote(version('1'), version('2'), 0);
    assert.equal(lag.leftMs(version('1'), CACHE_LAG_MS + 1), 0);
  });
});
