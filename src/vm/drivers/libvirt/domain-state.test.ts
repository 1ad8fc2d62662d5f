import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRunning, runningState, stoppedState } from './domain-state.ts';

const live = `<domain><metadata><yadokari:guest xmlns:yadokari="https://yadokari.dev/guest" startedAt="1700"/></metadata><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></domain>`;

test('libvirt’s reasons become the reasons of the port', () => {
  const reasons = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((reason) => stoppedState(5, reason));
  assert.deepEqual(reasons.map((state) => state.phase === 'stopped' && state.reason), ['unknown', 'shutdown', 'destroyed', 'crashed', 'unknown', 'unknown', 'failed', 'unknown', 'crashed']);
  assert.deepEqual(stoppedState(6, 1), { phase: 'stopped', reason: 'crashed' });
});

test('a live domain tells its agent and its start', () => {
  assert.deepEqual(runningState(1, 1, live), { phase: 'running', paused: false, agentConnected: true, startedAt: 1700 });
  assert.deepEqual(runningState(3, 1, live.replace("'connected'", "'disconnected'")), { phase: 'running', paused: true, agentConnected: false, startedAt: 1700 });
});

test('a pause that libvirt makes itself while starting or migrating is none', () => {
  for (const reason of [2, 11]) assert.deepEqual(runningState(3, reason, ''), { phase: 'running', paused: false, agentConnected: false });
});

test('a domain that is shutting down still runs', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(isRunning), [true, true, true, true, false, false, true]);
});
