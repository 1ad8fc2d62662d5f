import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { run } from '../../src/base/process.ts';
import { readRecord } from '../../src/local/record.ts';
import { DemoRuns, until, type EndedRun } from '../env/demo-runs.ts';
import { processesOf, tracesOf } from '../env/leftovers.ts';

/** A row of the table whose workload was called by the address it has: nothing on the way rewrote it. */
const honestRow = /^(\S+) +(VirtualMachine|Pod) +Running +(n\d) +(\S+) +True +Hello from .*\. You are \4\.$/;

describe('yado demo', { timeout: 1_200_000 }, () => {
  let runs: DemoRuns;
  /** Kinds and nodes of honest rows, in the order of the alphabet. */
  const rowsOf = ({ stdout }: EndedRun): { readonly kinds: readonly string[]; readonly nodes: readonly string[] } => {
    const rows = stdout.split('\n').map((line) => honestRow.exec(line)).filter((row) => row !== null);
    return { kinds: rows.map(([, , kind = '']) => kind).toSorted(), nodes: rows.map(([, , , node = '']) => node).toSorted() };
  };

  before(async () => {
    runs = await DemoRuns.start();
  });
  after(async () => {
    await runs?.[Symbol.asyncDispose]();
  });

  it('shows a machine and a container that reach each other under their own addresses, on two nodes, and with --once leaves nothing', async () => {
    const { ended } = runs.start('demo', '--once', '--nodes', '2');
    const plan = await runs.plan();
    const result = await ended;
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(rowsOf(result), { kinds: ['Pod', 'VirtualMachine'], nodes: ['n1', 'n2'] }, result.stdout);
    assert.deepEqual(await tracesOf(plan, runs.layout), []);
    assert.ok(!existsSync(runs.layout.root));
    assert.doesNotMatch(await readFile(join(runs.folder, 'kubeconfig'), 'utf8'), new RegExp(runs.name));
  });

  it('shows a Pod inside of a machine that reaches all others and is reached by them, on two nodes', async () => {
    const { ended } = runs.start('demo', '--demo', 'pod-in-vm', '--once', '--nodes', '2');
    const plan = await runs.plan();
    const result = await ended;
    assert.equal(result.code, 0, result.stderr);
    const rows = result.stdout.split('\n').filter((line) => line.endsWith(': each saw this address')).map((line) => line.split(/ +/));
    assert.deepEqual(rows.map(([workload = '', kind = '']) => `${kind} ${workload}`).toSorted(), ['Pod inside', 'Pod outside', 'VirtualMachine plain', 'VirtualMachine shell'], result.stdout);
    assert.equal(rows.find(([workload]) => workload === 'inside')?.[3], 'shell.default');
    assert.deepEqual(await tracesOf(plan, runs.layout), []);
  });

  it('takes everything along when it is killed in the middle', async () => {
    const { child, ended } = runs.start('demo', '--once');
    const plan = await runs.plan();
    await until('a guest runs', async () => (await processesOf(runs.layout)).some((line) => line.includes('guest=default.hello')));
    child.kill('SIGKILL');
    await ended;
    await runs.untilGone(plan);
  });

  it('ends in order at Ctrl-C, keeps its state, and works again on it, with another node', async () => {
    const { child, ended } = runs.start('demo');
    let seen = '';
    child.stdout?.on('data', (chunk: Buffer) => void (seen += chunk.toString()));
    await until('the next commands', () => Promise.resolve(seen.includes('Try:')));
    const plan = await runs.plan();
    child.kill('SIGINT');
    await ended;
    assert.deepEqual(await tracesOf(plan, runs.layout), []);
    assert.ok(existsSync(runs.layout.record));
    const again = runs.start('demo', '--once', '--nodes', '2');
    const result = await again.ended;
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(rowsOf(result).nodes, ['n1', 'n2'], result.stdout);
    assert.ok(!existsSync(runs.layout.root));
  });

  it('uses a cluster that is up, and takes away only what it brought', async () => {
    const up = await runs.start('up').ended;
    assert.equal(up.code, 0, up.stderr);
    const result = await runs.start('demo', '--once').ended;
    assert.equal(result.code, 0, result.stderr);
    const kubectl = join((await readRecord(runs.layout))?.binaries ?? '', 'kubectl');
    const left = await run(kubectl, ['--kubeconfig', join(runs.folder, 'kubeconfig'), 'get', 'vm,ypod,vmimage', '-A', '-o', 'name']);
    assert.equal(left.trim(), '');
    await runs.down();
    assert.ok(!existsSync(runs.layout.root));
  });

  it('says which examples there are when it is asked for another', async () => {
    const result = await runs.start('demo', 'helo').ended;
    assert.equal(result.code, 1);
    assert.match(result.stderr, /no example helo\. Did you mean hello\?/);
    assert.ok(!existsSync(runs.layout.root));
  });
});
