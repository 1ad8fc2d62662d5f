import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CompiledGuest } from '../../api/compiled-guest.ts';
import { ANNOTATION_GUEST, API_VERSION } from '../../api/group.ts';
import type { GuestStatus } from '../../api/guest-status.ts';
import { conditionOf, timestamp } from '../../kube/conditions.ts';
import type { Condition, Node, Pod } from '../../kube/core.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import { UnresolvedError } from './guest-compiler.ts';
import { deriveStatus, type Observed } from './status.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const compiled: CompiledGuest = { name: 'web', uid: 'u1', cpu: { sockets: 1, cores: 2, threads: 1 }, memoryMiB: 1024, boot: { kind: 'firmware', firmware: 'bios' }, disks: [], hostname: 'web' };
const disk = { name: 'data', sizeBytes: 1, ephemeral: false, readOnly: false };

const machine = (guest?: Partial<GuestStatus>, spec: Partial<VirtualMachine['spec']> = {}, metadata: Partial<VirtualMachine['metadata']> = {}): VirtualMachine => ({
  apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: { name: 'web', uid: 'u1', generation: 3, ...metadata }, spec: { memory: '1Gi', ...spec },
  ...(guest === undefined ? {} : { status: { guest: { phase: 'Running', anchor: 'a1', anchorUID: 'x', node: 'n1', ...guest } } }),
});
const condition = (type: string, status: Condition['status'], reason = 'Because', message = 'why'): Condition => ({ type, status, reason, message });
const anchor = (conditions: readonly Condition[] = [], options: { readonly node?: string; readonly deleting?: boolean; readonly guest?: CompiledGuest } = { node: 'n1' }): Pod => ({
  apiVersion: 'v1', kind: 'Pod',
  metadata: { name: 'a1', annotations: { [ANNOTATION_GUEST]: JSON.stringify(options.guest ?? compiled) }, ...(options.deleting === true ? { deletionTimestamp: timestamp(NOW) } : {}) },
  spec: { containers: [], ...(options.node === undefined ? {} : { nodeName: options.node }) }, status: { phase: 'Running', conditions },
});
const node = (ready: Condition['status']): Node => ({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, status: { conditions: [condition('Ready', ready)] } });
const derive = (observed: Partial<Observed>) => deriveStatus({ vm: machine(), anchor: undefined, node: undefined, guest: compiled, record: {}, nowMs: NOW, ...observed });

describe('the status in a word, and why it is not ready', () => {
  const live = { anchor: anchor(), node: node('True') };
  const table: readonly (readonly [what: string, observed: Partial<Observed>, status: string, reason: string])[] = [
    ['nothing yet', {}, 'Stopped', 'Starting'],
    ['Halted', { vm: machine(undefined, { runStrategy: 'Halted' }) }, 'Stopped', 'Halted'],
    ['Manual', { vm: machine(undefined, { runStrategy: 'Manual' }) }, 'Stopped', 'Stopped'],
    ['completed', { vm: machine(undefined, { runStrategy: 'Once' }), record: { completed: true } }, 'Stopped', 'Completed'],
    ['waiting after a crash', { vm: machine({ phase: 'Stopped', reason: 'Crashed' }), record: { nextStart: timestamp(NOW + 5000) } }, 'CrashLoopBackOff', 'BackOff'],
    ['an image that does not exist', { guest: new UnresolvedError('ImageNotFound', 'no image') }, 'ErrImagePull', 'ImageNotFound'],
    ['an instance type that does not exist', { guest: new UnresolvedError('InstanceTypeNotFound', 'no type') }, 'ErrorNotFound', 'InstanceTypeNotFound'],
    ['a topology that cannot be', { guest: new UnresolvedError('TopologyWrong', 'no') }, 'ErrorGuest', 'TopologyWrong'],
    ['an anchor that the API server refuses', { guest: new UnresolvedError('AnchorRefused', 'exceeded quota') }, 'ErrorUnschedulable', 'AnchorRefused'],
    ['being scheduled', { anchor: anchor([], {}) }, 'Starting', 'Starting'],
    ['unschedulable', { anchor: anchor([condition('PodScheduled', 'False', 'Unschedulable')], {}) }, 'ErrorUnschedulable', 'Unschedulable'],
    ['bound, and not seen yet', live, 'Starting', 'Starting'],
    ['importing its image', { ...live, vm: machine({ phase: 'Preparing', reason: 'ImageImporting' }) }, 'Provisioning', 'ImageImporting'],
    ['an image with another content', { ...live, vm: machine({ phase: 'Preparing', reason: 'ImageChecksumMismatch' }) }, 'ErrImagePull', 'ImageChecksumMismatch'],
    ['a file that is not offered', { ...live, vm: machine({ phase: 'Preparing', reason: 'FileForbidden' }) }, 'ErrImagePull', 'FileForbidden'],
    ['an address that another has', { ...live, vm: machine({ phase: 'Preparing', reason: 'AddressInUse' }) }, 'ErrorAddress', 'AddressInUse'],
    ['a Secret that does not exist', { ...live, vm: machine({ phase: 'Preparing', reason: 'SecretNotFound' }) }, 'ErrorNotFound', 'SecretNotFound'],
    ['a report of an earlier anchor', { ...live, vm: machine({ anchor: 'a0' }) }, 'Starting', 'Starting'],
    ['running, the anchor not yet', { ...live, vm: machine({}) }, 'Running', 'GuestNotReady'],
    ['running, its agent not yet', { ...live, vm: machine({}, { probes: { readiness: { guestAgent: {} } } }) }, 'Running', 'GuestNotReady'],
    ['unwell and about to be ended', { ...live, vm: machine({ phase: 'Stopping', reason: 'LivenessFailed' }) }, 'Stopping', 'LivenessFailed'],
    ['paused', { ...live, vm: machine({ phase: 'Paused' }) }, 'Paused', 'Paused'],
    ['refused by the hypervisor', { ...live, vm: machine({ phase: 'Failed', reason: 'GuestRejected' }) }, 'ErrorGuest', 'GuestRejected'],
    ['crashed, the anchor still there', { ...live, vm: machine({ phase: 'Stopped', reason: 'Crashed' }) }, 'Stopping', 'Crashed'],
    ['being stopped', { anchor: anchor([], { node: 'n1', deleting: true }), node: node('True') }, 'Stopping', 'Stopping'],
    ['on a node that does not answer', { anchor: anchor(), node: node('Unknown'), vm: machine({}) }, 'Unknown', 'NodeNotReady'],
    ['being stopped on a node that does not answer', { anchor: anchor([], { node: 'n1', deleting: true }), node: node('Unknown') }, 'Unknown', 'Stopping'],
    ['deleted', { ...live, vm: machine({}, {}, { deletionTimestamp: timestamp(NOW) }) }, 'Terminating', 'GuestNotReady'],
  ];
  for (const [what, observed, status, reason] of table) {
    it(`${what}: ${status}, ${reason}`, () => {
      const { printableStatus, ready, conditions } = derive(observed);
      const condition = conditionOf(conditions, 'Ready');
      assert.deepEqual([printableStatus, ready, condition?.status, condition?.reason], [status, false, 'False', reason]);
      assert.notEqual(condition?.message, '');
    });
  }
});

describe('a ready machine', () => {
  const vm = machine({ address: '10.244.0.5', startedAt: timestamp(NOW - 4000), agentConnected: true });
  const ready = derive({ vm, anchor: anchor([condition('Ready', 'True')]), node: node('True') });

  it('is ready when its guest runs and its anchor is ready', () => {
    assert.deepEqual([ready.printableStatus, ready.ready, ready.address, ready.node, ready.anchor, ready.cpu, ready.memory, ready.observedGeneration], ['Running', true, '10.244.0.5', 'n1', 'a1', 2, '1Gi', 3]);
    assert.equal(conditionOf(ready.conditions, 'AgentConnected')?.status, 'True');
    assert.equal(conditionOf(ready.conditions, 'RestartRequired'), undefined);
  });

  it('says the same again when nothing changed', () => {
    const again = derive({ vm: { ...vm, status: { ...ready, ...vm.status } }, anchor: anchor([condition('Ready', 'True')]), node: node('True'), nowMs: NOW + 60_000 });
    assert.deepEqual(again, ready);
  });

  it('keeps its address when it is stopped', () => {
    assert.equal(derive({ vm: { ...vm, spec: { ...vm.spec, runStrategy: 'Halted' }, status: { ...vm.status, address: '10.244.0.5' } } }).address, '10.244.0.5');
  });
});

describe('a changed machine', () => {
  it('needs a restart when the running guest is another one', () => {
    const { conditions } = derive({ vm: machine({}), anchor: anchor([], { node: 'n1', guest: { ...compiled, memoryMiB: 512 } }), node: node('True') });
    assert.equal(conditionOf(conditions, 'RestartRequired')?.reason, 'SpecChanged');
  });

  it('needs none once it is being stopped', () => {
    const { conditions } = derive({ vm: machine({}), anchor: anchor([], { node: 'n1', guest: { ...compiled, memoryMiB: 512 }, deleting: true }), node: node('True') });
    assert.equal(conditionOf(conditions, 'RestartRequired'), undefined);
  });
});

describe('a running machine that is not ready', () => {
  const messageOf = (vm: VirtualMachine, conditions: readonly Condition[]) => conditionOf(derive({ vm, anchor: anchor(conditions), node: node('True') }).conditions, 'Ready')?.message;
  const probed = 'the guest runs; its readiness probe does not succeed yet';

  it('says whether it is its probe that is waited for', () => {
    const [byAgent, byKubelet] = [machine({}, { probes: { readiness: { guestAgent: {} } } }), machine({}, { probes: { readiness: { tcpSocket: { port: 22 } } } })];
    const notReady = condition('ContainersReady', 'False');
    assert.deepEqual([messageOf(byAgent, []), messageOf(byAgent, [condition('yadokari.dev/guest', 'False')]), messageOf(byKubelet, [notReady])], [probed, probed, probed]);
    for (const message of [messageOf(byAgent, [condition('yadokari.dev/guest', 'True'), notReady]), messageOf(byKubelet, []), messageOf(machine({}), [notReady])]) assert.equal(message, 'the guest runs; its anchor is not ready yet');
  });
});

describe('the home of a machine', () => {
  it('is where its persistent disks were first made', () => {
    assert.equal(derive({ anchor: anchor(), guest: { ...compiled, disks: [disk] } }).home, 'n1');
    assert.equal(derive({ anchor: anchor(), guest: { ...compiled, disks: [{ ...disk, ephemeral: true }] } }).home, undefined);
  });

  it('stays, even without those disks in the spec', () => {
    const vm = { ...machine(), status: { home: 'n2' } };
    assert.equal(derive({ vm, anchor: anchor() }).home, 'n2');
  });
});
