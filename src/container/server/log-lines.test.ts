import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LogLines, tailOffset } from './log-lines.ts';
import type { LogOptions } from './log-options.ts';
import { nanosecondsOf } from './log-time.ts';

const all: LogOptions = { follow: false, previous: false, timestamps: false, stream: 'All' };
const log = [
  '2026-01-01T12:00:00.1Z stdout F one',
  '2026-01-01T12:00:01.123456789Z stderr P two, ',
  '2026-01-01T12:00:01.2Z stderr P in ',
  '2026-01-01T12:00:01.3Z stderr F parts',
  '2026-01-01T12:00:02Z stdout F ',
  '2026-01-01T13:00:03.5+01:00 stdout F:more  three ☃',
  '',
].join('\n');

function shown(text: string | Buffer, options: Partial<LogOptions> = {}, pieceBytes = Infinity): Buffer {
  const lines = new LogLines({ ...all, ...options });
  const bytes = Buffer.from(text);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) pieces.push(lines.take(bytes.subarray(at, at + pieceBytes)));
  return Buffer.concat(pieces);
}

describe('lines of a log', () => {
  const table: readonly [string, Partial<LogOptions>, string][] = [
    ['puts lines together that were cut in parts', {}, 'one\ntwo, in parts\n\n three ☃\n'],
    ['shows the time of a line once, with all its digits', { timestamps: true }, '2026-01-01T12:00:00.100000000Z one\n2026-01-01T12:00:01.123456789Z two, in parts\n2026-01-01T12:00:02.000000000Z \n2026-01-01T13:00:03.500000000+01:00  three ☃\n'],
    ['leaves out what is too old, to the nanosecond', { since: nanosecondsOf('2026-01-01T12:00:01.123456789Z') }, 'two, in parts\n\n three ☃\n'],
    ['leaves out what is a nanosecond too old', { since: nanosecondsOf('2026-01-01T12:00:02.000000001Z') }, ' three ☃\n'],
    ['shows one stream alone', { stream: 'Stderr' }, 'two, in parts\n'],
    ['ends at the limit of bytes', { limitBytes: 7 }, 'one\ntwo'],
    ['counts times as bytes', { limitBytes: 10, timestamps: true }, '2026-01-01'],
  ];
  for (const [name, options, expected] of table) {
    it(name, () => {
      assert.equal(shown(log, options).toString(), expected);
      for (const pieceBytes of [1, 7, 64]) assert.equal(shown(log, options, pieceBytes).toString(), expected, `in pieces of ${pieceBytes} bytes`);
    });
  }

  it('cuts a character at the limit as it does all bytes', () => {
    const whole = shown(log);
    assert.deepEqual(shown(log, { limitBytes: whole.length - 2 }), whole.subarray(0, -2));
    const lines = new LogLines({ ...all, limitBytes: 3 });
    lines.take(Buffer.from(log));
    assert.equal(lines.full, true);
  });

  it('leaves bytes that are no text as they are', () => {
    const bytes = Buffer.from([...Buffer.from('2026-01-01T12:00:00Z stdout F '), 0xff, 0x00, 0xc3, 0x0d, 0x0a]);
    assert.deepEqual(shown(bytes), Buffer.from([0xff, 0x00, 0xc3, 0x0d, 0x0a]));
  });

  it('passes over what no runtime has written', () => {
    assert.equal(shown('half a line\n2026-01-01T12:00:00Z stdlog F x\n2026-01-01T12:00:00Z stdout\n2026-01-01T12:00:00Z stdout F good\nan unfinished').toString(), 'good\n');
    assert.equal(shown(`${'x'.repeat(3 * 2 ** 20)}\n2026-01-01T12:00:00Z stdout F good\n`, {}, 65_536).toString(), 'good\n');
  });
});

describe('the last lines of a text', () => {
  const table: readonly [number, string | undefined][] = [
    [0, ''],
    [1, '2026-01-01T13:00:03.5+01:00 stdout F:more  three ☃\n'],
    [2, log.slice(log.indexOf('2026-01-01T12:00:02Z'))],
    [3, log.slice(log.indexOf('\n') + 1)],
    [4, undefined],
    [9, undefined],
  ];
  for (const [count, expected] of table) {
    it(`finds ${count}`, () => {
      const text = Buffer.from(log);
      const found = tailOffset(text, count);
      assert.equal(found === undefined ? undefined : text.subarray(found).toString(), expected);
    });
  }

  it('does not count a line that is being written', () => {
    const text = Buffer.from(`${log}2026-01-01T12:00:09Z stdout F unfin`);
    assert.match(text.subarray(tailOffset(text, 1)).toString(), /^2026-01-01T13:00:03.5\+01:00 .*\n.*unfin$/);
  });

  it('finds nothing in nothing', () => {
    assert.equal(tailOffset(Buffer.alloc(0), 0), undefined);
    assert.equal(tailOffset(Buffer.from('\n'), 1), undefined);
  });
});
