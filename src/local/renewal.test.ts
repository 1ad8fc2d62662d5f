import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changesOf } from './renewal.ts';

const cluster = { name: 'a', nodes: 1, binaries: '/b', cniPlugins: { loopback: '/l' }, images: ['/i'], imports: ['/g'], manifests: ['/m'], operatorProgram: '/o', agentProgram: '/a' };

describe('what only a new start can change', () => {
  it('is nothing when manifests and the number of nodes differ', () => assert.deepEqual(changesOf(cluster, { ...cluster, manifests: ['/x'], nodes: 3 }), []));
  it('is named part by part', () => {
    assert.deepEqual(changesOf(cluster, { ...cluster, binaries: '/c', cniPlugins: {} }), ['Kubernetes programs', 'CNI plugins']);
    assert.deepEqual(changesOf(cluster, { ...cluster, images: [], imports: [] }), ['container images', 'guest images']);
    assert.deepEqual(changesOf(cluster, { ...cluster, agentProgram: '/other' }), ['our programs']);
  });
});
