import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { installPrograms, programPaths } from './installed-programs.ts';

describe("a cluster's copies of our programs", () => {
  let folder = '';
  before(async () => { folder = await mkdtemp(join(tmpdir(), 'yado-programs-')); });
  after(() => rm(folder, { recursive: true, force: true }));

  const bundle = async (version: string, content: string) => {
    const path = join(folder, `yado-operator-${version}`, 'yado-operator.mjs');
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, content);
    await writeFile(`${path}.map`, `map of ${content}`);
    return path;
  };

  it('are at paths that stay, and only other content counts as a change', async () => {
    const layout = { root: join(folder, 'cluster') };
    const [first, same, other] = [await bundle('1', 'one'), await bundle('2', 'one'), await bundle('3', 'two')];
    const installed = join(layout.root, 'programs/yado-operator.mjs');
    assert.deepEqual(programPaths(layout, { operatorProgram: first }), programPaths(layout, { operatorProgram: other }));
    assert.deepEqual(programPaths(layout, { operatorProgram: first }), { operatorProgram: installed });
    assert.deepEqual(await installPrograms(layout, { operatorProgram: first }), ['operator']);
    assert.deepEqual(await installPrograms(layout, { operatorProgram: same }), []);
    assert.deepEqual(await installPrograms(layout, { operatorProgram: other }), ['operator']);
    assert.deepEqual([await readFile(installed, 'utf8'), await readFile(`${installed}.map`, 'utf8')], ['two', 'map of two']);
  });

  it('are none when there are no programs', async () => assert.deepEqual(await installPrograms({ root: join(folder, 'none') }, {}), []));
});
