import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../base/log.ts';
import { Controller, type Reconcile } from './controller.ts';

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries += 1) {
    assert.ok(tries < 500, 'it did not come true within five seconds');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function run(reconcile: Reconcile, concurrency = 4): { controller: Controller; stop: () => Promise<void> } {
  const controller = new Controller({ name: 'test', reconcile, log: silentLog, concurrency });
  const abort = new AbortController();
  const running = controller.run(abort.signal);
  return { controller, stop: () => (abort.abort(new Error('over')), running) };
}

test('works on one key by one reconcile at a time', async () => {
  let active = 0;
  let most = 0;
  let runs = 0;
  const { controller, stop } = run(async () => {
    active += 1;
    most = Math.max(most, active);
    await new Promise((resolve) => setTimeout(resolve, 5));
    active -= 1;
    runs += 1;
  });
  for (let index = 0; index < 5; index += 1) {
    controller.enqueue('a');
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  await until(() => runs >= 2);
  await stop();
  assert.equal(most, 1);
});

test('repeats what failed', async () => {
  let runs = 0;
  const { controller, stop } = run(async () => {
    runs += 1;
    if (runs < 3) throw new Error('not yet');
  });
  controller.enqueue('a');
  await until(() => runs === 3);
  await stop();
});

test('comes back after the delay that a reconcile asks for', async () => {
  let runs = 0;
  const { controller, stop } = run(async () => {
    runs += 1;
    return runs === 1 ? { requeueAfterMs: 20 } : undefined;
  });
  controller.enqueue('a');
  await until(() => runs === 2);
  await stop();
});

test('on stop it waits for what is running and aborts its signal', async () => {
  let aborted = false;
  let ended = false;
  const { controller, stop } = run(async (_key, signal) => {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    aborted = true;
    await new Promise((resolve) => setTimeout(resolve, 20));
    ended = true;
  });
  controller.enqueue('a');
  await new Promise((resolve) => setTimeout(resolve, 10));
  await stop();
  assert.ok(aborted && ended);
});
