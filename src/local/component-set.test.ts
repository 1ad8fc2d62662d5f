import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { Component, type ComponentSpec } from './component.ts';
import { renewComponents } from './component-set.ts';

describe('a set of processes that is renewed', () => {
  let folder = '';
  let present: readonly Component[] = [];
  const spec = (name: string, seconds: number): ComponentSpec => ({ name, command: ['sleep', String(seconds)], prefix: [], forked: false, environment: { PATH: process.env['PATH'] }, logFile: join(folder, name) });
  const make = (of: ComponentSpec): Component => new Component(of, systemClock, () => {});
  const renew = async (...wanted: readonly ComponentSpec[]) => {
    const before = present;
    present = await renewComponents(before, wanted, make, AbortSignal.timeout(10_000));
    return { before, states: await Promise.all(before.map(async (component) => (await component.status()).state)), pids: await Promise.all(present.map(async (component) => (await component.status()).pid)) };
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-set-'));
  });
  after(async () => {
    await Promise.all(present.map((component) => component.stop()));
    await rm(folder, { recursive: true, force: true });
  });

  it('starts what is missing, leaves the rest alone, and stops what is not wanted any more or otherwise', async () => {
    const first = await renew(spec('a', 1001), spec('b', 1002));
    assert.ok(first.pids.every((pid) => pid !== undefined));
    const second = await renew(spec('a', 1001), spec('b', 1003), spec('c', 1004));
    assert.deepEqual(second.states, ['running', 'stopped']);
    assert.equal(second.pids[0], first.pids[0]);
    assert.notEqual(second.pids[1], first.pids[1]);
    const third = await renew(spec('c', 1004));
    assert.deepEqual([third.states, third.pids], [['stopped', 'stopped', 'running'], [second.pids[2]]]);
  });
});
