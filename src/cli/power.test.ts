import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { VirtualMachine } from '../kube/yadokari.ts';
import { powerChange, type PowerVerb } from './power.ts';

const now = '2027-01-10T02:00:00Z';
type Strategy = NonNullable<VirtualMachine['spec']['runStrategy']>;

function machine(runStrategy: Strategy | undefined, more: { readonly requested?: string; readonly completed?: boolean } = {}): VirtualMachine {
  return {
    apiVersion: 'yadokari.dev/v1alpha1', kind: 'VirtualMachine',
    metadata: { name: 'web', ...(more.requested === undefined ? {} : { annotations: { 'yadokari.dev/requested-state': more.requested } }) },
    spec: runStrategy === undefined ? {} : { runStrategy },
    ...(more.completed === undefined ? {} : { status: { completed: more.completed } }),
  };
}

const strategy = (runStrategy: Strategy) => ({ spec: { runStrategy } });
const requested = (state: string) => ({ metadata: { annotations: { 'yadokari.dev/requested-state': state } } });
const restarted = { metadata: { annotations: { 'yadokari.dev/restarted-at': now } } };

describe('power', () => {
  const cases: readonly (readonly [string, VirtualMachine, PowerVerb, object | undefined])[] = [
    ['starts a halted machine', machine('Halted'), 'start', strategy('Always')],
    ['leaves a started machine as it is', machine(undefined), 'start', undefined],
    ['halts a running machine', machine('Always'), 'stop', strategy('Halted')],
    ['halts one that says nothing, which means Always', machine(undefined), 'stop', strategy('Halted')],
    ['leaves a halted machine halted', machine('Halted'), 'stop', undefined],
    ['asks a manual machine to run', machine('Manual'), 'start', requested('Running')],
    ['asks a stopped manual machine to run', machine('Manual', { requested: 'Stopped' }), 'start', requested('Running')],
    ['leaves a manual machine that runs', machine('Manual', { requested: 'Running' }), 'start', undefined],
    ['asks a manual machine to stop', machine('Manual', { requested: 'Running' }), 'stop', requested('Stopped')],
    ['runs a completed machine once more', machine('Once', { completed: true }), 'start', restarted],
    ['leaves one that has not completed', machine('Once'), 'start', undefined],
    ['restarts by a new time', machine('Always'), 'restart', restarted],
    ['restarts a manual machine that runs', machine('Manual', { requested: 'Running' }), 'restart', restarted],
  ];
  for (const [title, vm, verb, patch] of cases) it(title, () => assert.deepEqual(powerChange(vm, verb, now).patch, patch));

  it('asks nothing of a server that is only observed', () => {
    const server = { ...machine('Always'), spec: { runStrategy: 'Always', provider: { openstack: { tenant: 'shop', server: 's1' } } } } as const;
    assert.throws(() => powerChange(server, 'stop', now), /web is a server of OpenStackTenant shop, which only observes: stop it in the cloud/);
    assert.deepEqual(powerChange({ ...server, status: { conditions: [{ type: 'Synchronized', status: 'True' }] } }, 'stop', now).patch, strategy('Halted'));
  });

  it('restarts nothing that is meant to be stopped', () => {
    for (const vm of [machine('Halted'), machine('Manual')]) assert.throws(() => powerChange(vm, 'restart', now), { code: 'NotRunning', message: /yado start web/ });
  });

  it('says which strategy a stop replaces', () => assert.match(powerChange(machine('RerunOnFailure'), 'stop', now).message, /was RerunOnFailure/));
});
