import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { Component, type ComponentSpec } from './component.ts';
import { turnOverLog } from './log-file.ts';

describe('a component', () => {
  let folder = '';
  const never = new AbortController().signal;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-component-'));
  });
  after(() => rm(folder, { recursive: true }));

  const create = (script: string, rest: Partial<ComponentSpec> = {}) => {
    const reports: string[] = [];
    const spec: ComponentSpec = { name: 'test', command: ['sh', '-c', script], prefix: [], forked: false, environment: { PATH: '/usr/bin:/bin' }, logFile: join(folder, 'test.log'), ...rest };
    return { component: new Component(spec, systemClock, (_subject, message) => reports.push(message)), reports };
  };
  const until = async (condition: () => Promise<boolean>) => {
    for (let attempt = 0; attempt < 250 && !(await condition()); attempt += 1) await delay(20);
    assert.ok(await condition());
  };

  it('is started again when it is killed', async () => {
    const { component, reports } = create('exec sleep 60');
    await component.start(never);
    const { pid } = await component.status();
    process.kill(pid ?? 0, 'SIGKILL');
    await until(async () => (await component.status()).restarts === 1 && (await component.status()).state === 'running');
    assert.notEqual((await component.status()).pid, pid);
    assert.equal((await component.status()).lastExit, 'killed by SIGKILL');
    assert.match(reports.join(), /starting it again in 200 ms/);
    await component.stop();
  });

  it('stays stopped once it was stopped, by SIGKILL when it does not heed SIGTERM', async () => {
    const { component } = create('trap "" TERM; while :; do sleep 0.05; done', { graceMs: 100 });
    await component.start(never);
    await delay(50);
    await component.stop();
    await delay(300);
    const { state, pid } = await component.status();
    assert.deepEqual([state, pid], ['stopped', undefined]);
  });

  it('can be stopped while it waits to be started again', async () => {
    const { component } = create('exit 3');
    await component.start(never);
    await until(async () => (await component.status()).state === 'waiting');
    await component.stop();
    await delay(300);
    assert.equal((await component.status()).state, 'stopped');
  });

  it('can be stopped while it is being started', async () => {
    const { component } = create('exec sleep 60');
    const starting = component.start(never);
    await component.stop();
    await starting;
    const { state, pid } = await component.status();
    assert.deepEqual([state, pid], ['stopped', undefined]);
  });

  it('tells of a program that does not exist', async () => {
    const { component } = create('', { command: ['/no/such/program'] });
    await component.start(never);
    await until(async () => /ENOENT/.test((await component.status()).lastExit ?? ''));
    await component.stop();
  });

  it('keeps its log within limits', async () => {
    const logFile = join(folder, 'large.log');
    const { component } = create('for i in 1 2 3 4 5 6 7 8; do echo 0123456789; done; exec sleep 60', { logFile });
    await component.start(never);
    await until(async () => (await readFile(logFile, 'utf8')).length === 88);
    assert.equal(await turnOverLog(logFile, 1000), false);
    assert.equal(await turnOverLog(logFile, 50), true);
    assert.equal(await readFile(logFile, 'utf8'), '');
    assert.equal((await readFile(`${logFile}.1`, 'utf8')).length, 88);
    await component.stop();
  });
});
