import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import type { PodFiles } from '../../src/container/pod-files.ts';

/** What every PodFiles does, shown on empty ones. */
export function podFilesContract(name: string, open: () => Promise<PodFiles>): void {
  describe(`files of pods: ${name}`, () => {
    test('writes, reads, lists, renames and removes', async () => {
      const files = await open();
      await files.writeFile('p1/logs/web/0.log', 'first line\n', 0o640);
      const before = await files.stat('p1/logs/web/0.log');
      await files.writeFile('p1/logs/web/0.log', Buffer.from('second'), 0o640);
      assert.deepEqual(await files.stat('p1/logs/web/0.log'), { sizeBytes: 6, inode: before?.inode });
      assert.equal((await files.readFile('p1/logs/web/0.log', 4))?.toString(), 'cond');
      assert.equal((await files.readFile('p1/logs/web/0.log', 400))?.toString(), 'second');
      assert.equal(await text(await files.readFrom('p1/logs/web/0.log', 3) ?? Readable.from([])), 'ond');
      assert.equal(await text(await files.readFrom('p1/logs/web/0.log', 6) ?? Readable.from(['x'])), '');
      await files.rename('p1/logs/web/0.log', 'p1/logs/web/0.log.1');
      assert.deepEqual(await files.list('p1/logs/web'), ['0.log.1']);
      for (const gone of [files.stat('p1/logs/web/0.log'), files.readFile('p1/logs/web/0.log', 1), files.readFrom('p1/none/x', 0)]) assert.equal(await gone, undefined);
      assert.deepEqual(await files.list('p1/none'), []);
      await files.writeFile('p1/large', Buffer.alloc(300_000, 'x'), 0o600);
      assert.ok(await files.usage('p1') >= 300_000);
      await files.remove('p1');
      await files.remove('p1');
      assert.deepEqual(await files.list(''), []);
    });

    test('replaces volumes as a whole, and leaves them alone when nothing has changed', async () => {
      const files = await open();
      const file = (path: string, content: string) => ({ path, mode: 0o600, content: Buffer.from(content) });
      const stamp = async () => (await files.list('p2/v')).find((entry) => entry.startsWith('..2'));
      await files.makeFolder('p2/v', { mode: 0o755 });
      await files.writeVolume('p2/v', [file('a', '1'), file('d/b', '2')]);
      const first = await stamp();
      await files.writeVolume('p2/v', [file('d/b', '2'), file('a', '1')]);
      assert.equal(await stamp(), first);
      await files.writeVolume('p2/v', [file('d/b', '3')]);
      assert.notEqual(await stamp(), first);
      assert.deepEqual((await files.list('p2/v')).slice(1), ['..data', 'd']);
      assert.equal((await files.readFile('p2/v/d/b', 10))?.toString(), '3');
      await files.remove('p2');
    });

    test('mounts memory once, and unmounts it with the tree', async () => {
      const files = await open();
      for (let round = 0; round < 2; round++) await files.makeFolder('p3/memory', { mode: 0o777, group: 2000, memory: { sizeBytes: 2 ** 20 } });
      await files.writeFile('p3/memory/x', 'x', 0o600);
      await assert.rejects(files.writeFile('p3/memory/large', Buffer.alloc(2 ** 21), 0o600));
      await files.remove('p3');
      assert.deepEqual(await files.list(''), []);
    });

    test('refuses paths that lead out', async () => {
      const files = await open();
      for (const path of ['../x', 'p4/../../x']) await assert.rejects(async () => files.writeFile(path, 'x', 0o600), path);
      await assert.rejects(files.writeVolume('p4/v', [{ path: '../x', mode: 0o600, content: Buffer.alloc(0) }]));
      await files.remove('p4');
    });
  });
}
