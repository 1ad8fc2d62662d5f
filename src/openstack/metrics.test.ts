import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { OpenStackCloud } from './cloud.ts';
import { FakeCloud } from './fake-cloud.ts';
import { requestMetrics } from './metrics.ts';

test('requests of several clouds are counted in one registry, apart from each other', async () => {
  const registry = new Registry();
  await using fake = await FakeCloud.start();
  for (const name of ['shop', 'bank']) {
    await using cloud = await OpenStackCloud.connect(fake.settings(), { observer: requestMetrics(registry, name) });
    await cloud.image.image('x');
  }
  const text = await registry.metrics();
  for (const name of ['shop', 'bank']) {
    assert.ok(text.includes(`yadokari_openstack_requests_total{cloud="${name}",service="identity",method="POST",status="201"} 1`), text);
    assert.ok(text.includes(`yadokari_openstack_requests_total{cloud="${name}",service="image",method="GET",status="404"} 1`), text);
  }
});
