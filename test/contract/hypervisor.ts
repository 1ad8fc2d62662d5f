import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, describe, test } from 'node:test';
import type { GuestDefinition, GuestError, GuestEvent, GuestState, Hypervisor } from '../../src/vm/port.ts';

/** What the contract needs of a hypervisor beside the port itself. */
export interface HypervisorHarness {
  readonly hypervisor: Hypervisor;
  /** A guest whose agent answers, which powers off when asked to and echoes on its console; not started yet. */
  readonly define: (name: string, id: string) => Promise<GuestDefinition>;
  /** Lets the guest's process die as by kill -9. */
  readonly crash: (name: string) => Promise<void>;
  /** Cuts the connection to the hypervisor's daemon; it comes back by itself, guests go on. */
  readonly interrupt: () => Promise<void>;
  /** Something that stays the same exactly as long as the same process runs the guest. */
  readonly identity: (name: string) => Promise<string>;
  /** Longest time for a guest to boot or end, in milliseconds. */
  readonly patienceMs: number;
}

/** The promises of the port `Hypervisor`, checked against an implementation of it. */
export function hypervisorContract(label: string, makeHarness: () => Promise<HypervisorHarness>): void {
  describe(`${label} keeps the contract of a hypervisor`, { timeout: 300_000 }, () => {
    let made: Promise<HypervisorHarness> | undefined;
    const harness = () => (made ??= makeHarness());
    const events: GuestEvent[] = [];
    const id = randomUUID();
    const name = `contract.${id.slice(0, 8)}`;

    const until = async (wanted: (state: GuestState) => boolean, what: string, guest = id): Promise<GuestState> => {
      const { hypervisor, patienceMs } = await harness();
      const end = Date.now() + patienceMs;
      for (;;) {
        const state = await hypervisor.get(guest).catch((error: unknown) => ({ phase: 'absent', error }) as const);
        if (wanted(state)) return state;
        if (Date.now() > end) assert.fail(`waited for ${what}, the guest is ${JSON.stringify(state)}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const stopped = (reason: string) => (state: GuestState) => state.phase === 'stopped' && state.reason === reason;
    const answers = (state: GuestState) => state.phase === 'running' && state.agentConnected;

    after(async () => {
      if (made === undefined) return;
      const { hypervisor } = await made;
      for (const guest of await hypervisor.list()) await hypervisor.remove(guest.id);
      await hypervisor[Symbol.asyncDispose]();
    });

    test('knows nothing of a guest that was never started, and ending it is no error', async () => {
      const { hypervisor } = await harness();
      hypervisor.watch((event) => events.push(event));
      assert.deepEqual(await hypervisor.get(id), { phase: 'absent' });
      await hypervisor.shutdown(id);
      await hypervisor.destroy(id);
      await hypervisor.remove(id);
      await assert.rejects(hypervisor.pause(id), { code: 'GuestNotFound' });
      await assert.rejects(hypervisor.openConsole(id), { code: 'GuestNotFound' });
    });

    test('starts a guest, leaves a running one as it is, and lists it', async () => {
      const { hypervisor, define, identity } = await harness();
      const guest = await define(name, id);
      const before = Date.now();
      await hypervisor.start(guest);
      const first = await identity(name);
      await hypervisor.start(guest);
      assert.equal(await identity(name), first);
      const listed = (await hypervisor.list()).find((entry) => entry.id === id);
      assert.equal(listed?.name, name);
      assert.ok(listed?.state.phase === 'running' && !listed.state.paused);
      assert.ok((listed.state.startedAt ?? 0) >= before - 1);
      assert.ok(events.some((event) => event.id === id && event.kind === 'lifecycle'));
    });

    test('reports the guest agent and passes its answers on', async () => {
      const { hypervisor } = await harness();
      await until(answers, 'the guest agent');
      const info = (await hypervisor.agentCommand(id, 'guest-info')) as { version?: string };
      assert.equal(typeof info.version, 'string');
      assert.ok(events.some((event) => event.id === id && event.kind === 'agent'));
    });

    test('tells what a running guest has used, and of no other', async () => {
      const { hypervisor, define } = await harness();
      const one = async () => (await hypervisor.usage()).find((usage) => usage.id === id);
      const { memoryMiB } = await define(name, id);
      const [before, started] = [await one(), performance.now()];
      assert.ok(before !== undefined && before.cpuSeconds > 0);
      assert.ok((before.memoryBytes ?? 0) > 32 * 2 ** 20 && (before.memoryBytes ?? 0) < (memoryMiB + 512) * 2 ** 20, JSON.stringify(before));
      await new Promise((resolve) => setTimeout(resolve, 300));
      const later = await one();
      const seconds = (performance.now() - started) / 1000;
      assert.ok(later !== undefined && later.cpuSeconds >= before.cpuSeconds);
      // Its processor and the threads of its devices; time is counted in steps.
      assert.ok(later.cpuSeconds - before.cpuSeconds < 2 * seconds + 0.1, `${later.cpuSeconds - before.cpuSeconds} s in ${seconds} s`);
      for (const bytes of [later.networkReceivedBytes, later.networkSentBytes, later.diskReadBytes ?? 0, later.diskWrittenBytes ?? 0]) assert.ok(bytes >= 0);
      assert.deepEqual((await hypervisor.usage()).map((usage) => usage.id), [id]);
    });

    test('carries the console both ways, hands it to a newer reader, and keeps a log of it', async () => {
      const { hypervisor, define } = await harness();
      const older = await hypervisor.openConsole(id);
      const olderEnded = new Promise((resolve) => older.once('close', resolve));
      older.on('error', () => {}).resume();
      const console = await hypervisor.openConsole(id);
      await olderEnded;
      let seen = '';
      console.on('error', () => {});
      const echoed = new Promise<void>((resolve) => console.on('data', (chunk: Buffer) => {
        seen += chunk.toString();
        if (seen.includes('answer-42')) resolve();
      }));
      console.write('\necho answer-$((6*7))\n');
      await Promise.race([echoed, new Promise((_resolve, reject) => setTimeout(() => reject(new Error(`the console said only ${JSON.stringify(seen)}`)), 20_000).unref())]);
      console.destroy();
      const log = await readFile((await define(name, id)).consoleLogPath, 'utf8');
      assert.match(log, /answer-42/);
    });

    test('pauses and resumes, and repeating either changes nothing', async () => {
      const { hypervisor } = await harness();
      await hypervisor.pause(id);
      await hypervisor.pause(id);
      await until((state) => state.phase === 'running' && state.paused, 'the pause');
      await hypervisor.resume(id);
      await hypervisor.resume(id);
      await until((state) => state.phase === 'running' && !state.paused, 'the end of the pause');
    });

    test('plugs no cable into an interface that is not there', async () => {
      const { hypervisor } = await harness();
      await assert.rejects(hypervisor.setLink(id, '02:00:00:00:00:99', false), { code: 'GuestRejected' });
    });

    test('finds the same guest again after the daemon was lost, and says that all must be looked at', async () => {
      const { hypervisor, identity, interrupt } = await harness();
      const before = await identity(name);
      events.length = 0;
      await interrupt();
      await until(answers, 'the guest after the interruption');
      const end = Date.now() + 20_000;
      while (!events.some((event) => event.kind === 'resync') && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
      assert.ok(events.some((event) => event.kind === 'resync' && event.id === undefined));
      assert.equal(await identity(name), before);
      // The daemon reports the agent's port before it has spoken with the agent again.
      for (let tries = 1; ; tries++) {
        const answer = await hypervisor.agentCommand(id, 'guest-info').catch((error: unknown) => error);
        if (!(answer instanceof Error)) break;
        assert.equal((answer as GuestError).code, 'AgentNotConnected');
        assert.ok(tries < 50, 'the agent answers again');
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    });

    test('asks a guest to power off and remembers that it did', async () => {
      const { hypervisor } = await harness();
      const before = Date.now();
      await hypervisor.shutdown(id);
      await until(stopped('shutdown'), 'the shutdown');
      assert.deepEqual(await hypervisor.usage(), []);
      console.log(`# ${label}: powered off ${Date.now() - before} ms after it was asked to`);
      await assert.rejects(hypervisor.agentCommand(id, 'guest-info'), { code: 'GuestNotRunning' });
      await assert.rejects(hypervisor.resume(id), { code: 'GuestNotRunning' });
    });

    test('starts a stopped guest anew and tells a crash from an end by force', async () => {
      const { hypervisor, define, crash } = await harness();
      await hypervisor.start(await define(name, id));
      events.length = 0;
      await crash(name);
      await until(stopped('crashed'), 'the crash');
      assert.ok(events.some((event) => event.id === id && event.kind === 'lifecycle'));
      await hypervisor.start(await define(name, id));
      await hypervisor.destroy(id);
      await hypervisor.destroy(id);
      await until(stopped('destroyed'), 'the end');
    });

    test('forgets a guest, running or not, as often as it is asked to', async () => {
      const { hypervisor, define } = await harness();
      await hypervisor.start(await define(name, id));
      await hypervisor.remove(id);
      await hypervisor.remove(id);
      assert.deepEqual(await hypervisor.get(id), { phase: 'absent' });
      assert.ok(!(await hypervisor.list()).some((guest) => guest.id === id));
    });

    test('runs five guests at once', async () => {
      const { hypervisor, define } = await harness();
      const ids = Array.from({ length: 5 }, () => randomUUID());
      const before = Date.now();
      await Promise.all(ids.map(async (each, index) => hypervisor.start(await define(`${name}-${index}`, each))));
      console.log(`# ${label}: five guests run after ${Date.now() - before} ms`);
      await Promise.all(ids.map((each) => until(answers, 'its agent', each)));
      console.log(`# ${label}: five agents answer after ${Date.now() - before} ms`);
      await Promise.all(ids.map((each) => hypervisor.remove(each)));
      assert.equal((await hypervisor.list()).length, 0);
    });

    test('gives up as soon as its caller does', async () => {
      const { hypervisor } = await harness();
      const reason = new Error('no longer wanted');
      await assert.rejects(hypervisor.list(AbortSignal.abort(reason)), reason);
    });
  });
}
