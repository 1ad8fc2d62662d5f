import assert from 'node:assert/strict';
import { it } from 'node:test';
import { exampleContainer, exampleExit, observedPod } from './examples.ts';
import { outlived } from './housekeeping.ts';
import type { ObservedContainer } from './observation.ts';

it('keeps the last container of each name that has ended, whatever runs now', () => {
  const ids = (...containers: readonly ObservedContainer[]): readonly string[] => outlived(observedPod(...containers)).map(({ id }) => id);
  assert.deepEqual(ids(exampleContainer('main', { restartCount: 2 }), exampleExit('main', 1, { restartCount: 1 }), exampleExit('main', 1), exampleExit('other', 0)), ['main-0']);
  assert.deepEqual(ids(exampleExit('main', 1, { restartCount: 1 }), exampleExit('main', 1)), ['main-0']);
  assert.deepEqual(ids(exampleContainer('main', { state: 'CREATED' }), exampleContainer('other')), []);
});
