import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelOfId, MACHINE_NAME_LIMIT, objectNameOf, withSuffix } from './names.ts';

test('names of a cloud become names that Kubernetes takes', () => {
  const names: readonly (readonly [string, string])[] = [
    ['web', 'web'], ['Web Server_1', 'web-server-1'], ['-a..b-', 'a-b'], ['Übergröße', 'u-bergro-e'], ['日本', 'f00d'], ['', 'f00d'], ['a'.repeat(80), 'a'.repeat(57)], [`${'a'.repeat(56)} b`, 'a'.repeat(56)],
  ];
  for (const [name, wanted] of names) assert.equal(objectNameOf(name, 'F00D', MACHINE_NAME_LIMIT), wanted, name);
  assert.match(objectNameOf('日本', '日本', MACHINE_NAME_LIMIT), /^[0-9a-f]{8}$/);
});

test('a name that is taken gets the first digits of the id, and stays within its limit', () => {
  const id = '1a2b3c4d-0000-4000-8000-000000000000';
  assert.equal(withSuffix('web', id, MACHINE_NAME_LIMIT), 'web-1a2b3c4d');
  assert.equal(withSuffix('a'.repeat(57), id, MACHINE_NAME_LIMIT), `${'a'.repeat(48)}-1a2b3c4d`);
  assert.notEqual(withSuffix('web', 'server-00000001', 57), withSuffix('web', 'server-00000002', 57));
});

test('ids that are no values of labels become such, each its own', () => {
  assert.equal(labelOfId('1a2b3c4d-0000-4000-8000-000000000000'), '1a2b3c4d-0000-4000-8000-000000000000');
  assert.equal(labelOfId('m1.small'), 'm1.small');
  for (const id of ['Alice Key', 'x-0123', 'a'.repeat(64), 'ends-']) assert.match(labelOfId(id), /^x-[0-9a-f]{16}$/, id);
  assert.notEqual(labelOfId('a b'), labelOfId('a  b'));
});
