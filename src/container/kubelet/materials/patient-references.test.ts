import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../../../base/clock.ts';
import { ApiError } from '../../../kube/api-error.ts';
import type { PodReferences } from '../port.ts';
import { PatientReferences } from './patient-references.ts';

const SECRET = { resourceVersion: '1', immutable: false, type: 'Opaque', data: {} };

function refusing(times: number, status: number) {
  let asked = 0;
  const clock = new ManualClock(0);
  const secret: PodReferences['secret'] = () => {
    asked += 1;
    return asked <= times ? Promise.reject(new ApiError('GET secret', status, JSON.stringify({ reason: 'Forbidden', message: 'no relationship found between node and this object' }))) : Promise.resolve(SECRET);
  };
  const references = new PatientReferences({ secret, configMap: async () => undefined, serviceAccountToken: () => Promise.reject(new Error('none')), services: () => [] }, clock);
  const answer = references.secret('shop', 'keys');
  answer.catch(() => {});
  return { answer, clock, asked: () => asked };
}

describe('what a pod refers to', () => {
  it('is asked for again when the API server does not know yet that the pod is here', async () => {
    const { answer, clock, asked } = refusing(2, 403);
    for (let round = 0; round < 4; round += 1) await clock.advance(500);
    assert.equal(await answer, SECRET);
    assert.equal(asked(), 3);
  });

  it('is given up when it stays out of reach, and at once when something else is wrong', async () => {
    const forbidden = refusing(99, 403);
    for (let round = 0; round < 10; round += 1) await forbidden.clock.advance(500);
    await assert.rejects(forbidden.answer, /no relationship/);
    assert.equal(forbidden.asked(), 6);
    const broken = refusing(1, 500);
    await assert.rejects(broken.answer);
    assert.equal(broken.asked(), 1);
  });
});
