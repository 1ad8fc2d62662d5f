import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { hypervisorContract } from '../../../../test/contract/hypervisor.ts';
import { ManualClock } from '../../../base/clock.ts';
import type { GuestDefinition } from '../../port.ts';
import { SimulatedHypervisor } from './hypervisor.ts';

const folder = await mkdtemp(join(tmpdir(), 'yado-simulated-'));
after(() => rm(folder, { recursive: true, force: true }));

const define = (name: string, id: string): GuestDefinition => ({
  id, name, hostname: name, memoryMiB: 128, cpu: { sockets: 1, cores: 1, threads: 1 }, disks: [], interfaces: [],
  boot: { kind: 'firmware', firmware: 'bios' }, consoleLogPath: join(folder, name, 'console.log'),
});

hypervisorContract('the simulated driver', async () => {
  const hypervisor = new SimulatedHypervisor({ startMs: 5, bootMs: 10, shutdownMs: 5 });
  return {
    hypervisor,
    define: async (name: string, id: string) => define(name, id),
    crash: async (name: string) => hypervisor.crash(name),
    interrupt: async () => hypervisor.interrupt(),
    identity: async (name: string) => String(hypervisor.runOf(name)),
    patienceMs: 2000,
  };
});

test('boots thousands of guests on a clock that is moved by hand', async () => {
  const clock = new ManualClock();
  await using hypervisor = new SimulatedHypervisor({ clock, consoleLogs: false });
  const starts = Promise.all(Array.from({ length: 2000 }, (_, index) => hypervisor.start(define(`g${index}`, `id-${index}`))));
  await clock.advance(300);
  await starts;
  assert.deepEqual(await hypervisor.get('id-1999'), { phase: 'running', paused: false, agentConnected: false, startedAt: 300 });
});

test('refuses a guest that does not fit into the host', async () => {
  await using hypervisor = new SimulatedHypervisor({ startMs: 0, memoryMiB: 200, consoleLogs: false });
  await hypervisor.start(define('one', 'one'));
  await assert.rejects(hypervisor.start(define('two', 'two')), { code: 'OutOfMemory' });
});
