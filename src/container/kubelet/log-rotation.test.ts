import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { exampleContainer, observedPod } from './examples.ts';
import { LogRotation } from './log-rotation.ts';
import type { KubeletContext } from './port.ts';

const MiB = 2 ** 20;
const signal = new AbortController().signal;
const observed = observedPod(exampleContainer('main'));

/** Files by path with their sizes, and what was asked of them. */
function setUp(): { readonly sizes: Map<string, number>; readonly asked: string[]; readonly clock: ManualClock; readonly rotation: LogRotation } {
  const sizes = new Map<string, number>();
  const asked: string[] = [];
  const clock = new ManualClock(Date.parse('2030-01-02T03:04:05Z'));
  const files = {
    root: '/pods',
    stat: (path: string) => {
      asked.push('stat');
      return Promise.resolve({ sizeBytes: sizes.get(path) ?? 0, inode: 1 });
    },
    list: (folder: string) => Promise.resolve([...sizes.keys()].filter((path) => path.startsWith(folder)).map((path) => path.slice(folder.length + 1))),
    rename: (from: string, to: string) => {
      sizes.set(to, sizes.get(from) ?? 0);
      sizes.delete(from);
      return Promise.resolve();
    },
    remove: (path: string) => Promise.resolve(void sizes.delete(path)),
  };
  const cri = { reopenLog: (id: string) => Promise.resolve(void asked.push(`reopen ${id}`)) };
  return { sizes, asked, clock, rotation: new LogRotation({ files, cri, clock, log: silentLog } as unknown as KubeletContext) };
}

it('renames a log that is full, has another one opened, and keeps five', async () => {
  const { sizes, asked, clock, rotation } = setUp();
  for (let round = 0; round < 7; round += 1) {
    sizes.set('uid/logs/main/0.log', 11 * MiB);
    await rotation.sweep(observed, signal);
    await clock.advance(60_000);
  }
  assert.deepEqual([...sizes.keys()], ['7', '8', '9', '10'].map((minute) => `uid/logs/main/0.log.20300102-03${minute.padStart(2, '0')}05`));
  assert.equal(asked.filter((call) => call === 'reopen main-0').length, 7);
});

it('looks the sooner the faster a log grows', async () => {
  const { sizes, asked, clock, rotation } = setUp();
  const looksPerMinute = async (mibPerSecond: number): Promise<number> => {
    asked.length = 0;
    for (let second = 0; second < 60; second += 10) {
      sizes.set('uid/logs/main/0.log', Math.min((sizes.get('uid/logs/main/0.log') ?? 0) + 10 * mibPerSecond * MiB, 9 * MiB));
      await rotation.sweep(observed, signal);
      await clock.advance(10_000);
    }
    return asked.length;
  };
  assert.ok(await looksPerMinute(0.2) >= 5);
  await looksPerMinute(0);
  assert.equal(await looksPerMinute(0), 1);
});
