import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { API_VERSION } from '../api/group.ts';
import { ManualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { KubeClient } from '../kube/client.ts';
import { FakeApi } from '../kube/fake-api.ts';
import { reportDriver } from './driver-report.ts';
import type { Backend } from './port.ts';

it('writes when the backend is lost and found, and when what is left has changed much', async () => {
  const api = new FakeApi();
  api.put(`/apis/${API_VERSION}/storagebackends`, { metadata: { name: 'ceph' }, spec: {} });
  const clock = new ManualClock();
  const stop = new AbortController();
  const state = { lost: false, left: 1000 };
  const backend = {
    probe: async () => {
      if (state.lost) throw new Error('no monitor answers');
    },
    availableBytes: async () => state.left,
  } as unknown as Backend;
  const reporting = reportDriver({ client: new KubeClient(api), name: 'ceph', driver: 'ceph.rbd.csi.yadokari.dev', backend, clock, log: silentLog }, stop.signal);
  const told = async (): Promise<readonly unknown[]> => {
    await delay(5);
    await clock.advance(15_000);
    await delay(5);
    const writes = api.requests.filter((request) => request.startsWith('PATCH')).length;
    const { drivers: [report] } = (api.objects.get(`/apis/${API_VERSION}/storagebackends/ceph`) as unknown as { status: { drivers: { reachable: boolean; message?: string; availableBytes?: number }[] } }).status;
    return [writes, report?.reachable, report?.message, report?.availableBytes];
  };
  assert.deepEqual(await told(), [1, true, undefined, 1000]);
  state.left = 990;
  assert.deepEqual(await told(), [1, true, undefined, 1000]);
  state.left = 500;
  assert.deepEqual(await told(), [2, true, undefined, 500]);
  state.lost = true;
  assert.deepEqual(await told(), [3, false, 'no monitor answers', undefined]);
  state.lost = false;
  assert.deepEqual(await told(), [4, true, undefined, 500]);
  stop.abort();
  await clock.advance(15_000);
  await reporting;
});
