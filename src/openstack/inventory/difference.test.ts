import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compared } from './difference.ts';

interface Thing {
  readonly name: string;
  readonly tags?: readonly string[];
}

const things = (entries: Readonly<Record<string, Thing>>): ReadonlyMap<string, Thing> => new Map(Object.entries(entries));

test('what is added, changed and removed is told, and the rest keeps its objects', () => {
  const before = things({ a: { name: 'a', tags: ['x'] }, b: { name: 'b' }, c: { name: 'c' } });
  const after = things({ a: { name: 'a', tags: ['x'] }, b: { name: 'bb' }, d: { name: 'd' } });
  const { merged, difference } = compared(before, after);
  assert.deepEqual(difference, { added: [{ name: 'd' }], changed: [{ before: { name: 'b' }, after: { name: 'bb' } }], removed: [{ name: 'c' }] });
  assert.deepEqual([...merged.keys()], ['a', 'b', 'd']);
  assert.equal(merged.get('a'), before.get('a'));
  assert.equal(merged.get('b'), after.get('b'));
});

test('where all is equal it is the map of before', () => {
  const before = things({ a: { name: 'a' }, b: { name: 'b' } });
  assert.equal(compared(before, things({ b: { name: 'b' }, a: { name: 'a' } })).merged, before);
});

test('a field that comes or goes is a change', () => {
  const { difference } = compared(things({ a: { name: 'a', tags: [] } }), things({ a: { name: 'a' } }));
  assert.equal(difference.changed.length, 1);
});
