import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { run } from '../../base/process.ts';
import { silentProgress } from '../../base/progress.ts';
import type { CliContext } from '../context.ts';
import { createProgram } from '../program.ts';
import { bashCompletion, zshCompletion } from './bash.ts';
import { commandTree } from './command-tree.ts';
import { fishCompletion } from './fish.ts';

const context: CliContext = {
  projectRoot: '/', nodeExecutable: 'node', environment: {}, homeFolder: '/', progress: silentProgress, print: () => {}, setExitCode: () => {},
  terminal: { input: process.stdin, output: process.stdout }, programName: 'yado', signal: new AbortController().signal,
};
const tree = commandTree(createProgram(context));

describe('completion', { timeout: 30_000 }, () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-completion-'));
    await writeFile(join(folder, 'yado.bash'), bashCompletion(tree));
    await writeFile(join(folder, 'kubectl'), '#!/bin/sh\ncase "$*" in *"get ost"*) echo openstacktenant.yadokari.dev/shop;; *"-n db"*) echo virtualmachine.yadokari.dev/postgres;; *) printf "virtualmachine.yadokari.dev/%s\\n" hello web;; esac\n');
    await chmod(join(folder, 'kubectl'), 0o755);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** What bash offers for the last of these words. */
  const offered = async (...words: readonly string[]): Promise<readonly string[]> => {
    const script = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _yado; printf "%s\\n" "${COMPREPLY[@]}"';
    const text = await run('bash', ['--norc', '-c', script, join(folder, 'yado.bash'), 'yado', ...words], { env: { PATH: `${folder}:/usr/bin:/bin` }, cwd: folder });
    return text.split('\n').filter((line) => line !== '');
  };

  it('offers commands, those below others, and no hidden ones', async () => {
    const all = await offered('');
    for (const name of ['up', 'console', 'doctor', 'completion']) assert.ok(all.includes(name), name);
    assert.equal(all.includes('supervise'), false);
    assert.deepEqual(await offered('con'), ['console']);
    assert.deepEqual((await offered('node', 'st')).toSorted(), ['start', 'stop']);
    assert.deepEqual(await offered('completion', ''), ['bash', 'zsh', 'fish']);
  });

  it('offers the options of the command at hand, wherever other options stand', async () => {
    assert.deepEqual(await offered('up', '--tie'), ['--tied']);
    assert.deepEqual(await offered('down', '--ti'), []);
    assert.deepEqual(await offered('down', '--name', 'up', '--del'), ['--delete']);
  });

  it('offers virtual machines of the namespace that was named', async () => {
    assert.deepEqual(await offered('console', ''), ['hello', 'web']);
    assert.deepEqual(await offered('restart', 'w'), ['web']);
    assert.deepEqual(await offered('stop', '-n', 'db', ''), ['postgres']);
  });

  it('offers tenants of clouds', async () => {
    assert.deepEqual(await offered('tenant', 'remove', ''), ['shop']);
    assert.deepEqual((await offered('tenant', '')).toSorted(), ['add', 'cutover', 'discover', 'help', 'migrate', 'plan', 'remove', 'rollback', 'status']);
  });

  it('offers files where an option takes one, and nothing for other values', async () => {
    assert.deepEqual(await offered('up', '--manifests', 'yado'), ['yado.bash']);
    assert.deepEqual(await offered('up', '--name', ''), []);
  });

  it('has every command and option in each script', () => {
    for (const script of [bashCompletion(tree), zshCompletion(tree), fishCompletion(tree)]) {
      for (const { path, options } of tree) {
        assert.ok(script.includes(`'${path.replaceAll("'", '')}'`) || script.includes(path), path);
        for (const { flags } of options) assert.ok(flags.every((flag) => script.includes(flag.replace(/^-+/, ''))), `${path} ${flags.join()}`);
      }
    }
  });
});
