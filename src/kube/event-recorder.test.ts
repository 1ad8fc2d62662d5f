import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLog } from '../base/log.ts';
import type { KubeClient } from './client.ts';
import type { Event } from './core.ts';
import { EventRecorder } from './event-recorder.ts';

const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'shop', name: 'web', uid: 'u1' } };

/** Writes events when it is told to. */
function given() {
  const written: Event[] = [];
  const open = Promise.withResolvers<void>();
  const client = { create: async (_: unknown, event: Event) => (await open.promise, written.push(event), event) } as unknown as KubeClient;
  return { written, open, recorder: new EventRecorder({ client, controller: 'yadokari.dev/test', instance: 'n1', log: silentLog }) };
}

describe('events', () => {
  it('say which part of their object they are about', async () => {
    const { written, open, recorder } = given();
    open.resolve();
    recorder.record(pod, { type: 'Normal', reason: 'Started', message: 'Started container web', fieldPath: 'spec.containers{web}' });
    await recorder.flush();
    assert.deepEqual(written.map(({ regarding }) => (regarding as { readonly fieldPath?: string }).fieldPath), ['spec.containers{web}']);
  });

  it('are lost rather than kept without bound while the API server does not answer', async () => {
    const { written, open, recorder } = given();
    for (let index = 0; index < 1500; index += 1) recorder.record(pod, { type: 'Normal', reason: 'Counted', message: `number ${index}` });
    open.resolve();
    await recorder.flush();
    assert.deepEqual([written.length, written.at(-1)?.['note']], [1000, 'number 999']);
    recorder.record(pod, { type: 'Normal', reason: 'Counted', message: 'afterwards' });
    await recorder.flush();
    assert.equal(written.at(-1)?.['note'], 'afterwards');
  });
});
