import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { GuestError, type Hypervisor } from '../vm/port.ts';
import { GuestPing } from './guest-prober-ping.ts';

const patient = new AbortController().signal;

/** A hypervisor that notes whom it is asked about; the test answers. */
function given() {
  const clock = new ManualClock();
  const [asked, answers]: [string[], Map<string, PromiseWithResolvers<unknown>>] = [[], new Map()];
  const hypervisor = {
    agentCommand: (id: string, execute: string) => {
      assert.equal(execute, 'guest-ping');
      asked.push(id);
      const answer = Promise.withResolvers<unknown>();
      answers.set(id, answer);
      return answer.promise;
    },
  } as unknown as Hypervisor;
  const ping = new GuestPing(hypervisor, clock);
  return { clock, asked, answer: (id: string) => answers.get(id) ?? assert.fail(`${id} was not asked`), ping: (id: string, signal = patient) => ping.ping(id, { timeoutMs: 1000, signal }) };
}

describe('a guest agent', () => {
  it('is there when it answers', async () => {
    const world = given();
    const result = world.ping('a');
    await world.clock.advance(10);
    world.answer('a').resolve({});
    assert.equal((await result).ok, true);
  });

  it('is not there when the hypervisor says so', async () => {
    const world = given();
    const result = world.ping('a');
    await world.clock.advance(10);
    world.answer('a').reject(new GuestError('AgentNotConnected', 'no agent'));
    assert.deepEqual(await result, { ok: false, message: 'the guest agent does not answer guest-ping' });
  });

  it('is not there when it takes too long, and is not asked a second time meanwhile', async () => {
    const world = given();
    const first = world.ping('a');
    await world.clock.advance(1000);
    assert.deepEqual(await first, { ok: false, message: 'the guest agent has not answered guest-ping within 1s' });
    const second = world.ping('a');
    await world.clock.advance(500);
    assert.deepEqual(world.asked, ['a']);
    world.answer('a').resolve({});
    assert.equal((await second).ok, true);
  });

  it('is not blamed for a hypervisor that does not answer', async () => {
    const world = given();
    const result = world.ping('a');
    await world.clock.advance(10);
    world.answer('a').reject(new GuestError('HypervisorUnavailable', 'no libvirtd'));
    await assert.rejects(result, { code: 'HypervisorUnavailable' });
  });

  it('is not blamed for hung agents of other guests: its time begins when it is asked', async () => {
    const world = given();
    const hung = ['a', 'b', 'c'].map((id) => world.ping(id));
    const result = world.ping('d');
    await world.clock.advance(5000);
    assert.deepEqual((await Promise.all(hung)).map(({ ok }) => ok), [false, false, false]);
    assert.deepEqual(world.asked, ['a', 'b', 'c']);
    world.answer('b').reject(new GuestError('AgentNotConnected', 'no agent'));
    await world.clock.advance(900);
    assert.deepEqual(world.asked, ['a', 'b', 'c', 'd']);
    world.answer('d').resolve({});
    assert.equal((await result).ok, true);
  });

  it('is no longer waited for once nobody asks', async () => {
    const world = given();
    const stop = new AbortController();
    for (const id of ['a', 'b', 'c']) world.ping(id);
    const [waiting, asked] = [world.ping('d', stop.signal), world.ping('a', stop.signal)];
    await world.clock.advance(10);
    stop.abort(new Error('paused'));
    await assert.rejects(waiting, /paused/);
    await assert.rejects(asked, /paused/);
  });
});
