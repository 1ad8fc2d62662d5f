import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endOfLog } from './last-words.ts';

describe('the end of a log', () => {
  it('is its text without times, with what was written in parts as one', () => {
    assert.equal(endOfLog('T1 stdout F one\nT2 stderr P tw\nT3 stderr F o\nT4 stdout F \n'), 'one\ntwo\n\n');
  });

  it('is at most 80 lines and 2 KiB long', () => {
    const lines = Array.from({ length: 100 }, (_, index) => `T stdout F ${index}\n`).join('');
    assert.equal(endOfLog(lines).split('\n').length, 81);
    assert.ok(endOfLog(lines).startsWith('20\n'));
    assert.equal(endOfLog(`T stdout F ${'x'.repeat(5000)}\n`).length, 2048);
  });

  it('does not mind a torn first line', () => assert.equal(endOfLog('rn line\nT stdout F whole\n'), 'whole\n'));
});
