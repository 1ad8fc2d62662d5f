import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { after, describe, it } from 'node:test';
import { silentLog } from '../base/log.ts';
import { ConsoleForwarder, toCriLines } from './console-forwarder.ts';

const root = await mkdtemp(join(tmpdir(), 'yado-console-'));
after(() => rm(root, { recursive: true, force: true }));
let worlds = 0;

async function given(console = '') {
  const folder = join(root, String((worlds += 1)));
  const [consolePath, logDirectory] = [join(folder, 'console.log'), join(folder, 'log')];
  await mkdir(logDirectory, { recursive: true });
  await writeFile(consolePath, console);
  const texts = async (file = '0.log') => (await readFile(join(logDirectory, file), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '').map((line) => line.split(' ').slice(1).join(' '));
  return {
    consolePath, logDirectory, texts,
    forward: () => new ConsoleForwarder({ consolePath, logDirectory, log: silentLog }),
    until: async (wanted: readonly string[], file?: string) => {
      for (const deadline = Date.now() + 5000; Date.now() < deadline; await delay(20)) if ((await texts(file)).length >= wanted.length) break;
      assert.deepEqual(await texts(file), wanted);
    },
  };
}

describe('the lines of a container log', () => {
  const now = new Date('2026-01-01T12:00:00.123Z');
  const table: readonly (readonly [what: string, text: string, lines: string])[] = [
    ['a line', 'hello\n', '2026-01-01T12:00:00.123000000Z stdout F hello\n'],
    ['a line of a terminal', 'hello\r\n', '2026-01-01T12:00:00.123000000Z stdout F hello\n'],
    ['a prompt', 'login: ', '2026-01-01T12:00:00.123000000Z stdout P login: \n'],
    ['an empty line', '\n', '2026-01-01T12:00:00.123000000Z stdout F \n'],
    ['nothing', '', ''],
  ];
  for (const [what, text, lines] of table) it(`show ${what}`, () => assert.equal(toCriLines(Buffer.from(text), now), lines));
});

describe('a console', () => {
  it('is passed on from its beginning, and as it grows', async () => {
    const world = await given('one\n');
    await writeFile(join(world.logDirectory, '0.log'), '');
    using _forwarder = world.forward();
    await world.until(['stdout F one']);
    await appendFile(world.consolePath, 'two\r\nthree\n');
    await world.until(['stdout F one', 'stdout F two', 'stdout F three']);
  });

  it('waits for the log that the kubelet makes', async () => {
    const world = await given('early\n');
    using _forwarder = world.forward();
    await delay(50);
    await writeFile(join(world.logDirectory, '0.log'), '');
    await world.until(['stdout F early']);
  });

  it('goes on where the process before left off', async () => {
    const world = await given('one\n');
    await writeFile(join(world.logDirectory, '0.log'), '');
    {
      using _first = world.forward();
      await world.until(['stdout F one']);
    }
    await delay(50);
    await appendFile(world.consolePath, 'two\n');
    using _second = world.forward();
    await world.until(['stdout F one', 'stdout F two']);
  });

  it('goes to the newest log when the container was started again', async () => {
    const world = await given('');
    for (const name of ['0.log', '10.log', '9.log']) await writeFile(join(world.logDirectory, name), '');
    await appendFile(world.consolePath, 'one\n');
    using _forwarder = world.forward();
    await world.until(['stdout F one'], '10.log');
    assert.deepEqual(await world.texts('9.log'), []);
  });

  it('is passed on anew when it was emptied, as at the start of the next run', async () => {
    const world = await given('a long line of the first run\n');
    await writeFile(join(world.logDirectory, '0.log'), '');
    using _forwarder = world.forward();
    await world.until(['stdout F a long line of the first run']);
    await truncate(world.consolePath);
    await appendFile(world.consolePath, 'two\n');
    await world.until(['stdout F a long line of the first run', 'stdout F two']);
  });

  it('shows a prompt that is not ended by a line', async () => {
    const world = await given('login: ');
    await writeFile(join(world.logDirectory, '0.log'), '');
    using _forwarder = world.forward();
    await world.until(['stdout P login: ']);
  });

  it('is left alone once the forwarder is disposed of', async () => {
    const world = await given('');
    await writeFile(join(world.logDirectory, '0.log'), '');
    world.forward()[Symbol.dispose]();
    await appendFile(world.consolePath, 'late\n');
    await delay(300);
    assert.deepEqual(await world.texts(), []);
  });
});
