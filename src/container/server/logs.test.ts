import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import type { CriContainerState, CriContainerStatus } from '../cri.ts';
import { LinkError } from '../link/port.ts';
import type { PodFiles } from '../pod-files.ts';
import { LogFile } from './log-file.ts';
import type { LogOptions } from './log-options.ts';
import { streamLog } from './logs.ts';

const plain: LogOptions = { follow: false, previous: false, timestamps: false, stream: 'All' };
const line = (text: string): string => `2026-01-01T12:00:00Z stdout F ${text}\n`;

/** A container with its log, in memory. */
class LoggingContainer {
  state: CriContainerState = 'RUNNING';
  away = false;
  looks = 0;
  readonly listeners = new Set<() => void>();
  readonly #clock = new ManualClock();
  readonly #folder = new Map([['0.log', { inode: 1, content: '' }]]);
  #inodes = 1;

  write(...lines: readonly string[]): void {
    this.#current().content += lines.map(line).join('');
  }

  writeRaw(text: string): void {
    this.#current().content += text;
  }

  /** As it is renamed; what is written from then on goes to the old file until `reopen`. */
  rename(stamp: string): void {
    this.#folder.set(`0.log.${stamp}`, this.#current());
    this.#folder.delete('0.log');
  }

  writeRenamed(stamp: string, text: string): void {
    const file = this.#folder.get(`0.log.${stamp}`);
    if (file !== undefined) file.content += line(text);
  }

  reopen(): void {
    this.#inodes += 1;
    this.#folder.set('0.log', { inode: this.#inodes, content: '' });
  }

  truncate(): void {
    this.#current().content = '';
  }

  end(): void {
    this.state = 'EXITED';
    for (const listener of this.listeners) listener();
  }

  pass(ms: number): Promise<void> {
    return this.#clock.advance(ms);
  }

  async read(options: Partial<LogOptions> = {}): Promise<{ readonly shown: () => string; readonly done: Promise<void>; readonly stop: () => void }> {
    const out = new PassThrough();
    const shown: Buffer[] = [];
    out.on('data', (piece: Buffer) => shown.push(piece));
    const gone = new AbortController();
    const file = await LogFile.open(this.#files(), '/pods/uid/logs/0.log', gone.signal) ?? assert.fail('there is no log');
    const done = streamLog({ file, cri: this.#cri(), container: 'id' }, { ...plain, ...options }, out, this.#clock, gone.signal);
    done.catch(() => {});
    return { shown: () => Buffer.concat(shown).toString(), done, stop: () => gone.abort(new Error('the caller is gone')) };
  }

  #current(): { inode: number; content: string } {
    return this.#folder.get('0.log') ?? assert.fail('the log is being rotated');
  }

  #cri(): Parameters<typeof streamLog>[0]['cri'] {
    return {
      containerStatus: () => Promise.resolve({ state: this.state } as CriContainerStatus),
      onChange: (listener) => {
        this.listeners.add(listener);
        return () => void this.listeners.delete(listener);
      },
    };
  }

  #files(): PodFiles {
    const find = (path: string) => this.#folder.get(path.replace('uid/logs/', ''));
    const files: Pick<PodFiles, 'root' | 'stat' | 'list' | 'readFrom'> = {
      root: '/pods',
      stat: (path) => {
        this.looks += 1;
        if (this.away) return Promise.reject(new LinkError('LinkDown', 'the guest is not connected'));
        const file = find(path);
        return Promise.resolve(file === undefined ? undefined : { sizeBytes: Buffer.byteLength(file.content), inode: file.inode });
      },
      list: () => Promise.resolve([...this.#folder.keys()].toSorted()),
      readFrom: (path, offset) => {
        const bytes = Buffer.from(find(path)?.content ?? '').subarray(offset);
        const pieces = Array.from({ length: Math.ceil(bytes.length / 50_000) }, (_, index) => bytes.subarray(index * 50_000, (index + 1) * 50_000));
        return Promise.resolve(find(path) === undefined ? undefined : Readable.from(pieces));
      },
    };
    return files as PodFiles;
  }
}

describe('a log that is read', () => {
  it('ends where it ends now', async () => {
    const container = new LoggingContainer();
    container.write('one', 'two');
    const { done, shown } = await container.read();
    await done;
    assert.equal(shown(), 'one\ntwo\n');
  });

  it('begins with its last lines, however long they are', async () => {
    const container = new LoggingContainer();
    const long = 'x'.repeat(100_000);
    container.write('first', ...Array.from({ length: 20 }, (_, index) => `${index}${long}`));
    for (const tailLines of [0, 1, 8, 20, 21, 100]) {
      const { done, shown } = await container.read({ tailLines });
      await done;
      assert.equal(shown().split('\n').length - 1, Math.min(tailLines, 21));
      assert.equal(shown().startsWith('first'), tailLines >= 21);
    }
  });

  it('looks for its last lines in no more than its last 16 MiB', async () => {
    const container = new LoggingContainer();
    const long = 'x'.repeat(100_000);
    container.write(...Array.from({ length: 250 }, (_, index) => `${index}-${long}`));
    for (const [tailLines, first] of [[10, 240], [150, 100], [249, 250 - 167]] as const) {
      const { done, shown } = await container.read({ tailLines });
      await done;
      assert.deepEqual(shown().match(/^\d+/gm)?.map(Number), Array.from({ length: 250 - first }, (_, index) => first + index));
    }
  });

  it('begins with whole lines of those that were cut in parts', async () => {
    const container = new LoggingContainer();
    container.writeRaw(`${line('one')}2026-01-01T12:00:00Z stdout P ${'a'.repeat(70_000)}\n2026-01-01T12:00:00Z stdout P b\n${line('c')}`);
    const { done, shown } = await container.read({ tailLines: 1 });
    await done;
    assert.equal(shown(), `${'a'.repeat(70_000)}bc\n`);
  });
});

describe('a log that is followed', () => {
  it('ends with its container, and not before the last line', async () => {
    const container = new LoggingContainer();
    container.write('one');
    const { done, shown } = await container.read({ follow: true });
    await container.pass(200);
    assert.equal(shown(), 'one\n');
    container.write('two');
    await container.pass(500);
    assert.equal(shown(), 'one\ntwo\n');
    container.write('three');
    container.end();
    await container.pass(500);
    await done;
    assert.equal(shown(), 'one\ntwo\nthree\n');
    assert.equal(container.listeners.size, 0);
  });

  it('goes on in the next file, with all of the last', async () => {
    const container = new LoggingContainer();
    container.write('one');
    const { shown, stop } = await container.read({ follow: true });
    await container.pass(200);
    container.write('two');
    container.rename('20260101-000000');
    await container.pass(500);
    container.writeRenamed('20260101-000000', 'three');
    container.reopen();
    container.write('four');
    await container.pass(500);
    container.rename('20260101-000001');
    container.reopen();
    await container.pass(500);
    container.write('five');
    await container.pass(500);
    assert.equal(shown(), 'one\ntwo\nthree\nfour\nfive\n');
    stop();
  });

  it('begins anew in a file that was emptied', async () => {
    const container = new LoggingContainer();
    container.write('one', 'two');
    const { shown, stop } = await container.read({ follow: true });
    await container.pass(200);
    container.truncate();
    container.write('three');
    await container.pass(500);
    assert.equal(shown(), 'one\ntwo\nthree\n');
    stop();
  });

  it('waits while the guest cannot be reached', async () => {
    const container = new LoggingContainer();
    container.write('one');
    const { shown, stop } = await container.read({ follow: true });
    await container.pass(200);
    container.away = true;
    await container.pass(5000);
    container.write('two');
    container.away = false;
    await container.pass(500);
    assert.equal(shown(), 'one\ntwo\n');
    stop();
  });

  it('ends at the limit of bytes', async () => {
    const container = new LoggingContainer();
    container.write('one');
    const { done, shown } = await container.read({ follow: true, limitBytes: 6 });
    await container.pass(200);
    container.write('two');
    await container.pass(500);
    await done;
    assert.equal(shown(), 'one\ntw');
  });

  it('is not looked at by nobody', async () => {
    const container = new LoggingContainer();
    const { done, stop } = await container.read({ follow: true });
    await container.pass(1000);
    stop();
    await assert.rejects(done, /the caller is gone/);
    const { looks } = container;
    await container.pass(5000);
    assert.equal(container.looks, looks);
    assert.equal(container.listeners.size, 0);
  });
});
