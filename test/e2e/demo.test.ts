import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import { run } from '../../src/base/process.ts';
import { clusterLayout, type ClusterLayout } from '../../src/local/layout.ts';
import { networkPlan, type NetworkPlan } from '../../src/local/network-plan.ts';
import { readRecord } from '../../src/local/record.ts';
import { processesOf, tracesOf } from '../env/leftovers.ts';

const yado = join(import.meta.dirname, '../../src/bin/yado.ts');
const name = `demo-${process.pid}`;
/** A row of the table whose workload was called by the address it has: nothing on the way rewrote it. */
const honestRow = /^(\S+) +(VirtualMachine|Pod) +Running +(n\d) +(\S+) +True +Hello from .*\. You are \4\.$/;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('yado demo', { timeout: 600_000 }, () => {
  let folder = '';
  let layout: ClusterLayout;
  const running = new Set<ChildProcess>();

  const argumentsOf = (...words: readonly string[]) => [yado, ...words, '--name', name, '--state-root', folder, '--kubeconfig', join(folder, 'kubeconfig')];
  const start = (...words: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } => {
    const child = spawn(process.execPath, argumentsOf(...words), { stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    const output = Promise.all([text(child.stdout), text(child.stderr)]);
    const ended = once(child, 'close').then(async ([code]: unknown[]) => {
      running.delete(child);
      const [stdout, stderr] = await output;
      return { code: code as number | null, stdout, stderr };
    });
    return { child, ended };
  };
  const planOf = async (): Promise<NetworkPlan> => {
    let index: number | undefined;
    await until('the cluster recorded', async () => (index = (await readRecord(layout))?.index) !== undefined);
    return networkPlan(index ?? -1);
  };
  /** Kinds and nodes of honest rows, in the order of the alphabet. */
  const rowsOf = ({ stdout }: Ended): { readonly kinds: readonly string[]; readonly nodes: readonly string[] } => {
    const rows = stdout.split('\n').map((line) => honestRow.exec(line)).filter((row) => row !== null);
    return { kinds: rows.map(([, , kind = '']) => kind).toSorted(), nodes: rows.map(([, , , node = '']) => node).toSorted() };
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-'));
    layout = clusterLayout(folder, name);
  });
  after(async () => {
    for (const child of running) child.kill('SIGKILL');
    await run(process.execPath, [yado, 'down', '--delete', '--name', name, '--state-root', folder]).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  });

  it('shows a machine and a container that reach each other under their own addresses, and with --once leaves nothing', async () => {
    const { ended } = start('demo', '--once');
    const plan = await planOf();
    const result = await ended;
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(rowsOf(result).kinds, ['Pod', 'VirtualMachine'], result.stdout);
    assert.deepEqual(await tracesOf(plan, layout), []);
    assert.ok(!existsSync(layout.root));
    assert.doesNotMatch(await readFile(join(folder, 'kubeconfig'), 'utf8'), new RegExp(name));
  });

  it('puts them on different nodes when there are several', async () => {
    const { ended } = start('demo', '--once', '--nodes', '2');
    const plan = await planOf();
    const result = await ended;
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(rowsOf(result).nodes, ['n1', 'n2'], result.stdout);
    assert.deepEqual(await tracesOf(plan, layout), []);
  });

  it('shows a Pod inside of a machine that reaches all others and is reached by them, on two nodes', async () => {
    const { ended } = start('demo', '--demo', 'pod-in-vm', '--once', '--nodes', '2');
    const plan = await planOf();
    const result = await ended;
    assert.equal(result.code, 0, result.stderr);
    const rows = result.stdout.split('\n').filter((line) => line.endsWith(': each saw this address')).map((line) => line.split(/ +/));
    assert.deepEqual(rows.map(([workload = '', kind = '']) => `${kind} ${workload}`).toSorted(), ['Pod inside', 'Pod outside', 'VirtualMachine plain', 'VirtualMachine shell'], result.stdout);
    assert.equal(rows.find(([workload]) => workload === 'inside')?.[3], 'shell.default');
    assert.deepEqual(await tracesOf(plan, layout), []);
  });

  it('takes everything along when it is killed in the middle', async () => {
    const { child, ended } = start('demo', '--once');
    const plan = await planOf();
    await until('a guest runs', async () => (await processesOf(layout)).some((line) => line.includes('guest=default.hello')));
    child.kill('SIGKILL');
    await ended;
    await until('nothing left', async () => (await tracesOf(plan, layout)).length === 0 && !existsSync(layout.root));
  });

  it('ends in order at Ctrl-C, keeps its state, and works again on it', async () => {
    const { child, ended } = start('demo');
    let seen = '';
    child.stdout?.on('data', (chunk: Buffer) => void (seen += chunk.toString()));
    await until('the next commands', () => Promise.resolve(seen.includes('Try:')));
    const plan = await planOf();
    child.kill('SIGINT');
    await ended;
    assert.deepEqual(await tracesOf(plan, layout), []);
    assert.ok(existsSync(layout.record));
    const again = start('demo', '--once');
    const result = await again.ended;
    assert.equal(result.code, 0, result.stderr);
    assert.equal(rowsOf(result).kinds.length, 2, result.stdout);
    assert.ok(!existsSync(layout.root));
  });

  it('uses a cluster that is up, and takes away only what it brought', async () => {
    const up = await start('up').ended;
    assert.equal(up.code, 0, up.stderr);
    const result = await start('demo', '--once').ended;
    assert.equal(result.code, 0, result.stderr);
    const kubectl = join((await readRecord(layout))?.binaries ?? '', 'kubectl');
    const left = await run(kubectl, ['--kubeconfig', join(folder, 'kubeconfig'), 'get', 'vm,ypod,vmimage', '-A', '-o', 'name']);
    assert.equal(left.trim(), '');
    await run(process.execPath, [yado, 'down', '--delete', '--name', name, '--state-root', folder]);
    assert.ok(!existsSync(layout.root));
  });

  it('says which examples there are when it is asked for another', async () => {
    const result = await start('demo', 'helo').ended;
    assert.equal(result.code, 1);
    assert.match(result.stderr, /no example helo\. Did you mean hello\?/);
    assert.ok(!existsSync(layout.root));
  });
});

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 90_000; Date.now() < deadline; await delay(100)) if (await condition().catch(() => false)) return;
  assert.fail(`${what} did not come true within 90 s`);
}
