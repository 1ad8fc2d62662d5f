import assert from 'node:assert/strict';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { run } from '../../base/process.ts';
import { checkHeader, HEADER_BYTES } from './qcow2-header.ts';

const root = await mkdtemp(join(tmpdir(), 'yado-qcow2-'));
after(() => rm(root, { recursive: true, force: true }));

async function headerOf(...options: readonly string[]): Promise<Buffer> {
  const path = join(root, 'image');
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...options, path, '1M']);
  const file = await open(path);
  try {
    return (await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0)).buffer;
  } finally {
    await file.close();
  }
}

describe('the header of a qcow2 image', () => {
  it('is taken of both versions', async () => {
    for (const compat of ['0.10', '1.1']) checkHeader('i1', await headerOf('-o', `compat=${compat}`));
  });

  it('is refused where it leads to other files of the host', async () => {
    const base = join(root, 'base');
    await run('qemu-img', ['create', '-q', '-f', 'raw', base, '1M']);
    const based = await headerOf('-b', base, '-F', 'raw');
    assert.throws(() => checkHeader('i1', based), { code: 'InvalidRequest', disposition: 'stalled', message: /based on another file/ });
    const elsewhere = await headerOf('-o', `data_file=${join(root, 'data')}`);
    assert.throws(() => checkHeader('i1', elsewhere), /its data in another file/);
  });

  it('is refused where it cannot be read', async () => {
    const encrypted = await headerOf();
    encrypted.writeUInt32BE(2, 32);
    assert.throws(() => checkHeader('i1', encrypted), /encrypted/);
    assert.throws(() => checkHeader('i1', Buffer.alloc(HEADER_BYTES)), /not of the format qcow2/);
    assert.throws(() => checkHeader('i1', Buffer.from('QFI\xfb', 'latin1')), /not of the format qcow2/);
    const newer = await headerOf();
    newer.writeUInt32BE(4, 4);
    assert.throws(() => checkHeader('i1', newer), /version 4/);
  });
});
