import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { run } from '../base/process.ts';
import { bundleProgram } from './bundle.ts';

describe('the bundle of a program', () => {
  let root: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'yado-bundle-'));
    await mkdir(join(root, 'src'));
    await writeFile(join(root, 'package-lock.json'), '{}');
  });
  after(() => rm(root, { recursive: true }));

  const bundle = async (version: number): Promise<string> => {
    await writeFile(join(root, 'src/one.ts'), `console.log(${version} as number);\n`);
    return await bundleProgram({ projectRoot: root, entry: join(root, 'src/one.ts'), cache: join(root, 'cache') }) ?? '';
  };

  it('runs as its sources do, and is made once for the same sources', async () => {
    const path = await bundle(1);
    assert.equal(await run(process.execPath, [path]), '1\n');
    const { mtimeMs } = await stat(path);
    assert.deepEqual([await bundle(1), (await stat(path)).mtimeMs], [path, mtimeMs]);
    assert.equal(await bundleProgram({ projectRoot: root, entry: join(root, 'src/none.ts'), cache: join(root, 'cache') }), undefined);
  });

  it('makes room for newer ones, among those of its own', async () => {
    const others = ['other-1', 'one-more-0123456789abcdef'];
    for (const other of others) await mkdir(join(root, 'cache/programs', other), { recursive: true });
    let path = '';
    for (let version = 2; version <= 12; version += 1) path = await bundle(version);
    const kept = await readdir(join(root, 'cache/programs'));
    assert.deepEqual([kept.length, others.every((other) => kept.includes(other))], [10, true]);
    assert.equal(await run(process.execPath, [path]), '12\n');
  });
});
