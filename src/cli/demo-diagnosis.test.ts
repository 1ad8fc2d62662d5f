import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Event } from '../kube/core.ts';
import { complaintsIn, componentsBehind, conditionLines, eventLines, type Suspect } from './demo-diagnosis.ts';

const suspect = (node?: string): Suspect => ({ apiVersion: 'yadokari.dev/v1alpha1', kind: 'VirtualMachine', metadata: { name: 'hello' }, status: node === undefined ? {} : { node } });
const event = (name: string, reason: string, at: string): Event => ({ apiVersion: 'events.k8s.io/v1', kind: 'Event', metadata: { name: reason, creationTimestamp: at }, type: 'Warning', reason, note: 'so it was', regarding: { name } });

describe('why something is not Ready', () => {
  it('shows conditions in one line each', () => {
    assert.deepEqual(conditionLines([{ type: 'Ready', status: 'False', reason: 'ErrImagePull', message: 'no such file' }, { type: 'Paused', status: 'False' }]), ['Ready=False ErrImagePull: no such file', 'Paused=False']);
  });

  it('shows events of the object and its pods in order, and of nothing else', () => {
    const all = [event('hello-x1', 'Second', '2027-01-01T10:00:02Z'), event('hello', 'First', '2027-01-01T10:00:01Z'), event('other', 'Third', '2027-01-01T10:00:03Z')];
    assert.deepEqual(eventLines(all, 'hello'), ['10:00:01 Warning First: so it was', '10:00:02 Warning Second: so it was']);
  });

  it('looks into the scheduler while there is no node, and into the node after', () => {
    assert.deepEqual(componentsBehind([suspect()]), ['operator', 'kube-scheduler']);
    assert.deepEqual(componentsBehind([suspect('n2'), suspect('n2')]), ['operator', 'n2/agent', 'n2/kubelet', 'n2/libvirtd']);
  });

  it('finds the last complaints in logs of every kind', () => {
    const log = [
      '{"level":30,"time":"2027-01-01T10:00:00.000Z","msg":"all is well"}',
      '{"level":50,"time":"2027-01-01T10:00:01.000Z","msg":"reconcile failed","err":{"message":"no disk"}}',
      'I0101 10:00:02.000000      98 scope.go:117] "RemoveContainer"',
      'E0101 10:00:03.000000      98 kubelet.go:1] "Failed"',
      '{"level":50,', '',
    ].join('\n');
    assert.deepEqual(complaintsIn(log, 5), ['10:00:01 reconcile failed: no disk', 'E0101 10:00:03.000000      98 kubelet.go:1] "Failed"']);
    assert.equal(complaintsIn(log, 1).length, 1);
  });
});
