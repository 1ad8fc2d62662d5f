import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { elfNeeds, isElf, withoutSections } from './elf.ts';

test('a dynamic program tells its loader and its libraries', async () => {
  const program = await readFile(process.execPath);
  const { interpreter, libraries } = elfNeeds(program);
  assert.match(interpreter ?? '', /^\/lib.*\/ld-linux/);
  assert.ok(libraries.includes('libc.so.6'));
});

test('without sections it needs the same and is not longer', async () => {
  const program = await readFile('/bin/sh');
  const short = withoutSections(program);
  assert.ok(short.length <= program.length);
  assert.deepEqual(elfNeeds(short), elfNeeds(program));
});

test('what is no ELF file needs nothing and stays as it is', () => {
  const script = Buffer.from(`#!/bin/sh\n${' '.repeat(100)}`);
  assert.equal(isElf(script), false);
  assert.deepEqual(elfNeeds(script), { interpreter: undefined, libraries: [], searchFolders: [] });
  assert.equal(withoutSections(script), script);
});
