import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPassing } from './counterparts.ts';

test('passing copies of disks are told by their names from what people name', () => {
  assert.ok(isPassing({ name: 'yadokari-a0f7c540-3edd4aa8-d1fd-4868-aff4-f459ae188b00-root-1' }));
  for (const name of ['yadokari', 'yadokari-data', 'yadokari-backups-2026', 'my-yadokari-a0f7c540-x', '']) assert.ok(!isPassing({ name }), name);
});
