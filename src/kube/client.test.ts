import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeClient } from './client.ts';
import { pods } from './core.ts';
import { FakeApi } from './fake-api.ts';
import { metadataOf } from './object.ts';

test('an empty list of metadata, which the server calls null, has no items', async () => {
  const api = new FakeApi();
  api.send = async () => '{"kind":"PartialObjectMetadataList","metadata":{"resourceVersion":"7"},"items":null}';
  assert.deepEqual(await new KubeClient(api).listAll(metadataOf(pods)), { metadata: { resourceVersion: '7' }, items: [] });
});
