import assert from 'node:assert/strict';
import { Duplex, PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { consoleSession } from './console-session.ts';

/** A guest that notes what it is told and answers each chunk in capitals. */
function guestOf(heard: string[], answerAfterMs = 0): Duplex {
  return new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      heard.push(chunk.toString());
      setTimeout(() => { if (!this.destroyed) this.push(chunk.toString().toUpperCase()); }, answerAfterMs);
      done();
    },
  });
}

function terminalOf(interactive: boolean) {
  const raw: boolean[] = [];
  const input = Object.assign(new PassThrough(), { isTTY: interactive, setRawMode: (on: boolean) => raw.push(on) });
  return { input, output: new PassThrough(), raw };
}

describe('a console session', { timeout: 10_000 }, () => {
  it('passes a pipe on and waits for the answer after its end', async () => {
    const heard: string[] = [];
    const { input, output } = terminalOf(false);
    input.end('hello\x1d\n');
    assert.equal(await consoleSession({ console: guestOf(heard, 60), terminal: { input, output }, signal: new AbortController().signal, drainMs: 150 }), 'left');
    output.end();
    assert.deepEqual([heard.join(''), await text(output)], ['hello\x1d\n', 'HELLO\x1d\n']);
  });

  it('ends a terminal at Ctrl-], keeps what was typed before it, and takes raw mode back', async () => {
    const heard: string[] = [];
    const { input, output, raw } = terminalOf(true);
    const session = consoleSession({ console: guestOf(heard), terminal: { input, output }, signal: new AbortController().signal });
    input.write('ls\r');
    await delay(20);
    input.write('q\x1dnever');
    assert.equal(await session, 'left');
    assert.equal(heard.join(''), 'ls\rq');
    assert.deepEqual(raw, [true, false]);
  });

  it('says when the guest ended', async () => {
    const guest = guestOf([]);
    const { input, output, raw } = terminalOf(true);
    const session = consoleSession({ console: guest, terminal: { input, output }, signal: new AbortController().signal });
    guest.push(null);
    assert.equal(await session, 'closed');
    assert.deepEqual(raw, [true, false]);
  });

  it('ends with the signal and destroys the stream', async () => {
    const guest = guestOf([]);
    const controller = new AbortController();
    const session = consoleSession({ console: guest, terminal: terminalOf(true), signal: controller.signal });
    controller.abort();
    assert.equal(await session, 'left');
    assert.equal(guest.destroyed, true);
  });

  it('does not listen to a talkative guest for ever', async () => {
    const guest = guestOf([]);
    const talk = setInterval(() => guest.push('x'), 10);
    const { input, output } = terminalOf(false);
    input.end();
    output.resume();
    assert.equal(await consoleSession({ console: guest, terminal: { input, output }, signal: new AbortController().signal, drainMs: 100, longestDrainMs: 300 }), 'left');
    clearInterval(talk);
  });
});
