import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { terminalProgress } from './terminal-progress.ts';

function sink(isTTY: boolean): { readonly output: { readonly isTTY: boolean; readonly columns: number; write(text: string): void }; readonly text: () => string } {
  let text = '';
  return { output: { isTTY, columns: 40, write: (part) => { text += part; } }, text: () => text };
}

describe('progress', () => {
  it('writes one plain line a step where there is no terminal', async () => {
    const { output, text } = sink(false);
    let now = 0;
    const result = await terminalProgress(output, () => now).step('Building', async () => { now = 72_000; return 7; });
    assert.equal(result, 7);
    assert.equal(text(), '✓ Building (1 min 12 s)\n');
  });

  it('marks what failed and passes the error on', async () => {
    const { output, text } = sink(false);
    await assert.rejects(terminalProgress(output, () => 0).step('Building', () => Promise.reject(new Error('no'))), /no/);
    assert.equal(text(), '✗ Building (0.0 s)\n');
  });

  it('redraws running steps below what is finished on a terminal', async () => {
    const { output, text } = sink(true);
    const progress = terminalProgress(output, () => 0);
    await progress.step('Outer', async (step) => {
      step.update('half a very long detail that does not fit into the line');
      progress.line('a line');
    });
    const [first = '', second = ''] = text().split('\n');
    assert.equal(first, 'a line');
    assert.equal(second, '⠋ Outer · half a very long detail that ');
    assert.ok(text().includes('\u001b[1A\u001b[J') && text().includes('✓\u001b[0m Outer'));
  });
});
