import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Readiness, WaitingReason } from './container-statuses.ts';
import { exampleContainer, exampleExit, examplePod, exampleSandbox, exampleSpec, nothingObserved, observedPod } from './examples.ts';
import type { ObservedPod } from './observation.ts';
import type { ContainerStatusReport, PodManifest, PodStatusReport } from './pod.ts';
import { Resizes } from './resizes.ts';
import { lastStatusOf, statusOf, type StatusFacts } from './status.ts';

const able: Readiness = { isStarted: () => true, isReady: () => true };
const now = Date.parse('2030-01-02T03:04:05.678Z');

function status(pod: PodManifest, observed: ObservedPod, more: Partial<StatusFacts> = {}): PodStatusReport {
  return statusOf({ pod, observed, before: {}, reasons: new Map(), readiness: able, resizes: new Resizes(pod), hostAddress: '192.0.2.1', nowMs: now, over: false, ...more });
}

const conditions = ({ conditions: all = [] }: PodStatusReport): unknown => Object.fromEntries(all.map(({ type, status, reason }) => [type, reason === undefined ? status : `${status} ${reason}`]));
const report = (name: string, more: Partial<ContainerStatusReport>): ContainerStatusReport => ({ name, image: 'image:1', imageID: '', ready: false, restartCount: 0, ...more });
const crashed = new Map<string, WaitingReason>([['main', { reason: 'CrashLoopBackOff', message: 'back-off' }]]);

const phases: readonly (readonly [title: string, pod: PodManifest, observed: ObservedPod, phase: string, more?: Partial<StatusFacts>])[] = [
  ['nothing has been made', examplePod(), nothingObserved, 'Pending'],
  ['all run', examplePod(), observedPod(exampleContainer('main')), 'Running'],
  ['one of two is missing', examplePod({ containers: [exampleSpec('main'), exampleSpec('other')] }), observedPod(exampleContainer('main')), 'Pending'],
  ['one of two is between two lives', examplePod({ containers: [exampleSpec('main'), exampleSpec('other')] }), observedPod(exampleContainer('main'), exampleExit('other', 1)), 'Running'],
  ['all are between two lives', examplePod(), observedPod(exampleExit('main', 1)), 'Running', { reasons: crashed }],
  ['OnFailure: a failure is repeated', examplePod({ restartPolicy: 'OnFailure' }), observedPod(exampleExit('main', 1)), 'Running'],
  ['OnFailure: all have succeeded', examplePod({ restartPolicy: 'OnFailure' }), observedPod(exampleExit('main', 0)), 'Succeeded'],
  ['Never: one has failed', examplePod({ restartPolicy: 'Never', containers: [exampleSpec('main'), exampleSpec('other')] }), observedPod(exampleExit('main', 0), exampleExit('other', 2)), 'Failed'],
  ['Never: one still runs', examplePod({ restartPolicy: 'Never', containers: [exampleSpec('main'), exampleSpec('other')] }), observedPod(exampleContainer('main'), exampleExit('other', 2)), 'Running'],
  ['an init container runs', examplePod({ initContainers: [exampleSpec('one')] }), observedPod(exampleContainer('one')), 'Pending'],
  ['Never: an init container has failed', examplePod({ restartPolicy: 'Never', initContainers: [exampleSpec('one')] }), observedPod(exampleExit('one', 1)), 'Failed'],
  ['an init container is repeated', examplePod({ initContainers: [exampleSpec('one')] }), observedPod(exampleExit('one', 1)), 'Pending'],
  ['a sidecar outlives the main container', examplePod({ restartPolicy: 'Never', initContainers: [exampleSpec('side', { restartPolicy: 'Always' })] }), observedPod(exampleExit('main', 0), exampleContainer('side')), 'Running'],
  ['a sidecar ended with the main container', examplePod({ restartPolicy: 'Never', initContainers: [exampleSpec('side', { restartPolicy: 'Always' })] }), observedPod(exampleExit('main', 0), exampleExit('side', 143)), 'Succeeded'],
  ['a sidecar is restarted beside a main container', examplePod({ initContainers: [exampleSpec('side', { restartPolicy: 'Always' })] }), observedPod(exampleContainer('main'), exampleExit('side', 1)), 'Running'],
  ['a stopped pod has succeeded with all of its containers', examplePod(), observedPod(exampleExit('main', 0)), 'Succeeded', { over: true }],
  ['a stopped pod has failed with one of them', examplePod(), observedPod(exampleExit('main', 143)), 'Failed', { over: true }],
  ['who has failed does not run again', examplePod(), observedPod(exampleContainer('main')), 'Failed', { before: { phase: 'Failed' } }],
  ['a failure of the pod as a whole counts', examplePod(), observedPod(exampleContainer('main')), 'Failed', { failure: { reason: 'DeadlineExceeded', message: 'too late' } }],
];

describe('the phase of a pod', () => {
  for (const [title, pod, observed, phase, more] of phases) it(title, () => assert.equal(status(pod, observed, more).phase, phase));
});

describe('the status of a pod', () => {
  it('says of a new pod that all is to come', () => {
    const { containerStatuses, initContainerStatuses, ...rest } = status(examplePod({ initContainers: [exampleSpec('one')] }), nothingObserved);
    assert.deepEqual(containerStatuses?.[0], { ...report('main', {}), state: { waiting: { reason: 'PodInitializing' } }, lastState: {}, started: false });
    assert.deepEqual(initContainerStatuses?.[0]?.state, { waiting: { reason: 'PodInitializing' } });
    assert.deepEqual(conditions(rest), { PodReadyToStartContainers: 'False', Initialized: 'False ContainersNotInitialized', Ready: 'False ContainersNotReady', ContainersReady: 'False ContainersNotReady', PodScheduled: 'True' });
    assert.deepEqual([rest.startTime, rest.hostIP, rest.hostIPs, rest.podIP, rest.qosClass, rest.observedGeneration], ['2030-01-02T03:04:05Z', '192.0.2.1', [{ ip: '192.0.2.1' }], undefined, 'BestEffort', 1]);
    assert.equal(rest.conditions?.find(({ type }) => type === 'Ready')?.message, 'containers with unready status: [main]');
    assert.equal(rest.conditions?.find(({ type }) => type === 'Initialized')?.message, 'containers with incomplete status: [one]');
  });

  it('says of a running pod what its kubelet would', () => {
    const resources = { requests: { cpu: '100m' }, limits: { cpu: '200m' } };
    const pod = examplePod({ containers: [exampleSpec('main', { resources, volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: true }, { name: 'w', mountPath: '/w' }] })] });
    const { containerStatuses, podIP, podIPs, qosClass, ...rest } = status(pod, observedPod(exampleContainer('main')));
    assert.deepEqual(containerStatuses, [{
      name: 'main', image: 'image:1', imageID: 'sha256:1', containerID: 'containerd://main-0', ready: true, started: true, restartCount: 0, state: { running: { startedAt: '1970-01-01T00:00:01Z' } }, lastState: {},
      volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: true, recursiveReadOnly: 'Disabled' }, { name: 'w', mountPath: '/w' }], resources, allocatedResources: { cpu: '100m' },
    }]);
    assert.deepEqual([podIP, podIPs, qosClass], ['10.0.0.1', [{ ip: '10.0.0.1' }], 'Burstable']);
    assert.deepEqual(conditions(rest), { PodReadyToStartContainers: 'True', Initialized: 'True', Ready: 'True', ContainersReady: 'True', PodScheduled: 'True' });
  });

  it('shows the life before this one, and why there is no other', () => {
    const observed = observedPod(exampleExit('main', 3, { restartCount: 1, message: 'oh no' }), exampleExit('main', 2));
    const ended = { exitCode: 3, reason: 'Error', message: 'oh no', startedAt: '1970-01-01T00:00:01Z', finishedAt: '1970-01-01T00:00:02Z', containerID: 'containerd://main-1' };
    const [plain] = status(examplePod(), observed).containerStatuses ?? [];
    assert.deepEqual([plain?.state, plain?.lastState?.terminated?.exitCode, plain?.restartCount], [{ terminated: ended }, undefined, 1]);
    const [again] = status(examplePod(), observedPod(exampleContainer('main', { restartCount: 1 }), exampleExit('main', 2))).containerStatuses ?? [];
    assert.deepEqual([again?.lastState?.terminated?.exitCode, again?.restartCount], [2, 1]);
    const [waits] = status(examplePod(), observed, { reasons: crashed }).containerStatuses ?? [];
    assert.deepEqual([waits?.state, waits?.lastState], [{ waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } }, { terminated: ended }]);
  });

  it('is not ready before its containers and its gates are', () => {
    const pod = examplePod({ readinessGates: [{ conditionType: 'example.org/gate' }] });
    const observed = observedPod(exampleContainer('main'));
    const ready = (of: PodStatusReport): unknown => of.conditions?.filter(({ type }) => type.endsWith('Ready')).map(({ status, reason, message }) => [status, reason, message]);
    assert.deepEqual(ready(status(pod, observed)), [['False', 'ReadinessGatesNotReady', 'corresponding condition of pod readiness gate "example.org/gate" does not exist.'], ['True', undefined, undefined]]);
    const closed: PodManifest = { ...pod, status: { conditions: [{ type: 'example.org/gate', status: 'False' }] } };
    assert.deepEqual(ready(status(closed, observed))?.toString(), 'False,ReadinessGatesNotReady,the status of pod readiness gate "example.org/gate" is not "True", but False,True,,');
    const open: PodManifest = { ...pod, status: { conditions: [{ type: 'example.org/gate', status: 'True' }] } };
    assert.deepEqual(ready(status(open, observed)), [['True', undefined, undefined], ['True', undefined, undefined]]);
    assert.deepEqual(ready(status(open, observed, { readiness: { isStarted: () => true, isReady: () => false } })), [['False', 'ContainersNotReady', 'containers with unready status: [main]'], ['False', 'ContainersNotReady', 'containers with unready status: [main]']]);
  });

  it('keeps times of what has not changed, and the address when the sandbox is gone', () => {
    const before = status(examplePod(), observedPod(exampleContainer('main')));
    const after = status(examplePod(), { ...observedPod(exampleExit('main', 1)), sandboxes: [exampleSandbox(0, { ready: false, address: '' })] }, { before, nowMs: now + 60_000 });
    const times = Object.fromEntries((after.conditions ?? []).map(({ type, lastTransitionTime }) => [type, lastTransitionTime]));
    assert.deepEqual([times['Initialized'], times['Ready'], after.startTime, after.podIP], ['2030-01-02T03:04:05Z', '2030-01-02T03:05:05Z', '2030-01-02T03:04:05Z', '10.0.0.1']);
  });

  it('knows that a container ran which the runtime has forgotten', () => {
    const before = { containerStatuses: [report('main', { restartCount: 2, state: { running: { startedAt: 'then' } } })] };
    const [lost] = status(examplePod(), nothingObserved, { before }).containerStatuses ?? [];
    assert.deepEqual([lost?.restartCount, lost?.state?.waiting?.reason, lost?.lastState?.terminated?.reason, lost?.lastState?.terminated?.exitCode], [3, 'ContainerCreating', 'ContainerStatusUnknown', 137]);
    const ended = { containerStatuses: [report('main', { state: { terminated: { exitCode: 0, startedAt: 'then', finishedAt: 'now' } } })] };
    assert.deepEqual(status(examplePod({ restartPolicy: 'Never' }), nothingObserved, { before: ended }).containerStatuses?.[0]?.state?.terminated?.exitCode, 0);
  });

  it('shortens what containers say to what fits', () => {
    const containers = Array.from({ length: 4 }, (_, index) => exampleSpec(`c${index}`));
    const observed = observedPod(...containers.map(({ name }) => exampleExit(name, 1, { message: 'x'.repeat(4096) })));
    assert.deepEqual(status(examplePod({ containers }), observed).containerStatuses?.map(({ state }) => state?.terminated?.message?.length), [3072, 3072, 3072, 3072]);
  });

  it('ends with a failure for what nobody saw end', () => {
    const last = lastStatusOf(examplePod(), status(examplePod(), nothingObserved));
    assert.deepEqual([last.phase, last.containerStatuses?.[0]?.state?.terminated?.reason], ['Failed', 'ContainerStatusUnknown']);
    const uninitialized = examplePod({ initContainers: [exampleSpec('one')] });
    const kept = lastStatusOf(uninitialized, status(uninitialized, nothingObserved));
    assert.deepEqual([kept.containerStatuses?.[0]?.state?.waiting?.reason, kept.initContainerStatuses?.[0]?.state?.terminated?.exitCode], ['PodInitializing', 137]);
  });
});
