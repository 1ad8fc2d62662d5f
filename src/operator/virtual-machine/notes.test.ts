import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { VirtualMachineStatus } from '../../api/virtual-machine-status.ts';
import { notesOf } from './notes.ts';

const status = (printableStatus: VirtualMachineStatus['printableStatus'], reason: string, message: string, more: Partial<VirtualMachineStatus> = {}): VirtualMachineStatus =>
  ({ ...(printableStatus === undefined ? {} : { printableStatus }), conditions: [{ type: 'Ready', status: more.ready === true ? 'True' : 'False', reason, message, lastTransitionTime: '2026-01-01T12:00:00Z' }], ...more });
const starting = status('Starting', 'Starting', 'waiting');
const running = status('Running', 'GuestReady', 'the guest runs', { ready: true, address: '10.244.0.5', node: 'n1', anchor: 'web-a' });

describe('what is told of a change', () => {
  const table: readonly (readonly [what: string, before: VirtualMachineStatus | undefined, after: VirtualMachineStatus, notes: readonly string[]])[] = [
    ['nothing of a machine that merely starts', undefined, starting, []],
    ['where it is placed and that it is ready', starting, running, ['Normal Scheduled placed on node n1 (anchor web-a)', 'Normal Ready ready at 10.244.0.5']],
    ['nothing twice', running, running, []],
    ['a placement for each run', running, { ...running, anchor: 'web-b' }, ['Normal Scheduled placed on node n1 (anchor web-b)']],
    ['why a guest cannot start', starting, status('ErrImagePull', 'ImageNotFound', 'no image'), ['Warning ImageNotFound no image']],
    ['another reason under the same status', status('ErrImagePull', 'ImageNotFound', 'no image'), status('ErrImagePull', 'ImageInvalid', 'no qcow2'), ['Warning ImageInvalid no qcow2']],
    ['a back-off as Kubernetes calls it', starting, status('CrashLoopBackOff', 'BackOff', 'it crashed'), ['Warning BackOff it crashed']],
    ['that it has ended for good', running, status('Stopped', 'Completed', 'it ended', { completed: true }), ['Normal Completed it ended']],
  ];
  for (const [what, before, after, notes] of table) it(what, () => assert.deepEqual(notesOf(before, after).map(({ type, reason, message }) => `${type} ${reason} ${message}`), notes));
});
