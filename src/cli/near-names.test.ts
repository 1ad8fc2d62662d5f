import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { editDistance, namesHint, nearNames } from './near-names.ts';

describe('names that were probably meant', () => {
  const names = ['hello', 'hello-db', 'web', 'web-1', 'database'];

  it('are few edits away, the nearest first', () => {
    assert.deepEqual(nearNames('helo', names), ['hello']);
    assert.deepEqual(nearNames('wbe', names), ['web']);
    assert.deepEqual(nearNames('databsae', names), ['database']);
  });

  it('contain the word, or are contained in it', () => {
    assert.deepEqual(nearNames('hello', ['hello-db', 'x']), ['hello-db']);
    assert.deepEqual(nearNames('web-11', ['web-1', 'mail']), ['web-1']);
  });

  it('are none when nothing is alike', () => assert.deepEqual(nearNames('zookeeper', names), []));

  it('are offered alone, and all names where none is near', () => {
    assert.equal(namesHint('kubelet', ['etcd', 'n1/kubelet', 'n2/kubelet']), 'Did you mean n1/kubelet or n2/kubelet?');
    assert.equal(namesHint('zookeeper', ['n1', 'n2']), 'There are: n1, n2.');
    assert.equal(namesHint('web', []), 'There are none.');
  });

  it('counts edits as Levenshtein does, and a swap as one', () => {
    for (const [a, b, distance] of [['', 'abc', 3], ['kitten', 'sitting', 3], ['same', 'same', 0], ['ab', 'ba', 1]] as const) assert.equal(editDistance(a, b), distance);
  });
});
