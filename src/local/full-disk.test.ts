import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LocalError } from './errors.ts';
import { explainFullDisk, freeBytes } from './full-disk.ts';

describe('a full disk', () => {
  it('is said as such, with the folders and the cause', async () => {
    const cause = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const explained = await explainFullDisk(new LocalError('StartFailed', 'it ended', { cause }), ['/var/cache/none/of/these']);
    assert.ok(explained instanceof LocalError);
    assert.equal(explained.code, 'DiskFull');
    assert.match(explained.message, /Make room at \/var\/cache\/none\/of\/these \(\d+ MiB free\), or choose other folders with --cache and --state-root/);
  });

  it('is not the explanation of other errors', async () => {
    const error = new Error('connection refused');
    assert.equal(await explainFullDisk(error, ['/']), error);
  });

  it('has as much room for a folder as its nearest parent that exists', async () => {
    assert.ok(await freeBytes('/proc/../no/such/folder') > 0);
  });
});
