import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { podActions, type PodActions } from './actions.ts';
import { exampleContainer, exampleExit, examplePod, exampleSandbox, exampleSpec, nothingObserved, observedPod } from './examples.ts';
import type { ProbeVerdicts } from './kills.ts';
import type { ObservedPod } from './observation.ts';
import type { ContainerSpec, PodManifest } from './pod.ts';
import { Resizes } from './resizes.ts';

const silent: ProbeVerdicts = { liveness: () => undefined, startup: () => undefined };

/** What is to be done, in few words. */
function summary({ killPod, createSandbox, attempt, kill, startEphemeral, startInit, start }: PodActions): string {
  return [
    ...(killPod ? ['kill pod'] : []),
    ...(createSandbox ? [`sandbox ${attempt}`] : []),
    ...kill.map(({ container: { id }, message }) => `kill ${id} (${message})`),
    ...[...startEphemeral, ...startInit, ...start].map(({ name }) => `start ${name}`),
  ].join(', ');
}

const main = exampleSpec('main');
const side = exampleSpec('side', { restartPolicy: 'Always' });
const probed = exampleSpec('side', { restartPolicy: 'Always', startupProbe: {} });
const init = examplePod({ initContainers: [exampleSpec('one'), exampleSpec('two')] });
const sidecar = examplePod({ initContainers: [side, exampleSpec('two')] });
const never = examplePod({ restartPolicy: 'Never' });
const onFailure = examplePod({ restartPolicy: 'OnFailure' });
/** With the container's resources in the API, which are others than it has. */
const resized = (container: ContainerSpec): PodManifest => examplePod({ containers: [container] }, { status: { containerStatuses: [{ name: 'main', image: '', imageID: '', ready: true, restartCount: 0, containerID: 'containerd://main-0', resources: {} }] } });
const deadSandbox = (observed: ObservedPod): ObservedPod => ({ ...observed, sandboxes: [exampleSandbox(0, { ready: false, address: '' })] });

const cases: readonly (readonly [title: string, pod: PodManifest, observed: ObservedPod, expected: string, probes?: Partial<ProbeVerdicts>])[] = [
  ['a new pod gets a sandbox and its containers', examplePod({ containers: [main, exampleSpec('other')] }), nothingObserved, 'kill pod, sandbox 0, start main, start other'],
  ['a new pod with init containers begins with the first', init, nothingObserved, 'kill pod, sandbox 0, start one'],
  ['what runs is left alone', examplePod(), observedPod(exampleContainer('main')), ''],
  ['what has ended is started again', examplePod(), observedPod(exampleExit('main', 0)), 'start main'],
  ['what was made and never started is started', examplePod(), observedPod(exampleContainer('main', { state: 'CREATED' })), 'start main'],
  ['what nothing is known of is ended first', examplePod(), observedPod(exampleContainer('main', { state: 'UNKNOWN' })), 'kill main-0 (Container is in "unknown" state, try killing it before restart), start main'],
  ['OnFailure leaves a success', onFailure, observedPod(exampleExit('main', 0)), 'kill pod'],
  ['OnFailure repeats a failure', onFailure, observedPod(exampleExit('main', 1)), 'start main'],
  ['Never leaves a failure', never, observedPod(exampleExit('main', 1)), 'kill pod'],
  ['a deleted pod starts nothing', examplePod({}, { metadata: { name: 'pod', uid: 'uid', deletionTimestamp: 'now' } }), observedPod(exampleExit('main', 1)), 'kill pod'],
  ['the newest container of a name counts', never, observedPod(exampleContainer('main', { restartCount: 1 }), exampleExit('main', 1)), ''],
  ['another image needs another container, whatever the policy', examplePod({ restartPolicy: 'Never', containers: [exampleSpec('main', { image: 'image:2' })] }), observedPod(exampleContainer('main')), 'kill main-0 (Container main definition changed, will be restarted), start main'],
  ['a container that does not live is ended and started', examplePod(), observedPod(exampleContainer('main')), 'kill main-0 (Container main failed liveness probe, will be restarted), start main', { liveness: () => false }],
  ['a container that did not start is ended and started', examplePod(), observedPod(exampleContainer('main')), 'kill main-0 (Container main failed startup probe, will be restarted), start main', { startup: () => false }],
  ['with Never it is only ended', examplePod({ restartPolicy: 'Never', containers: [main, exampleSpec('other')] }), observedPod(exampleContainer('main'), exampleContainer('other')), 'kill main-0 (Container main failed liveness probe)', { liveness: (id) => id !== 'main-0' }],

  ['the next init container follows a success', init, observedPod(exampleExit('one', 0)), 'start two'],
  ['an init container that runs is waited for', init, observedPod(exampleContainer('one')), ''],
  ['a failed init container is repeated', init, observedPod(exampleExit('one', 1)), 'start one'],
  ['a failed init container fails a pod that is never restarted', { ...init, spec: { ...init.spec, restartPolicy: 'Never' } }, observedPod(exampleExit('one', 1)), 'kill pod'],
  ['the main containers follow the last init container, also when the first is forgotten', init, observedPod(exampleExit('two', 0)), 'start main'],
  ['init containers do not come back once the main ones run', init, observedPod(exampleContainer('main')), ''],

  ['a sidecar is followed as soon as it runs', sidecar, observedPod(exampleContainer('side')), 'start two'],
  ['a sidecar with a startup probe is waited for', examplePod({ initContainers: [probed] }), observedPod(exampleContainer('side')), ''],
  ['a sidecar that has started is followed', examplePod({ initContainers: [probed] }), observedPod(exampleContainer('side')), 'start main', { startup: () => true }],
  ['a sidecar that did not start is made anew', examplePod({ initContainers: [probed] }), observedPod(exampleContainer('side')), 'kill side-0 (Init container side failed startup probe), start side', { startup: () => false }],
  ['a sidecar that ended is started again while the others run', sidecar, observedPod(exampleExit('side', 0), exampleContainer('main')), 'start side'],
  ['a sidecar that is forgotten is started again', sidecar, observedPod(exampleContainer('main')), 'start side'],
  ['a sidecar that does not live is made anew', sidecar, observedPod(exampleContainer('main'), exampleContainer('side')), 'kill side-0 (Init container side failed liveness probe), start side', { liveness: (id) => id !== 'side-0' }],
  ['sidecars end with the last main container', { ...sidecar, spec: { ...sidecar.spec, restartPolicy: 'Never' } }, observedPod(exampleExit('main', 0), exampleExit('two', 0), exampleContainer('side')), 'kill pod'],

  ['a dead sandbox is replaced, and all begins anew', init, deadSandbox(observedPod(exampleExit('main', 255), exampleExit('two', 0))), 'kill pod, sandbox 1, start one'],
  ['a dead sandbox of a pod that is never restarted stays dead', never, { ...deadSandbox(observedPod(exampleExit('main', 255))) }, 'kill pod'],
  ['a dead sandbox without containers is tried again in any case', never, deadSandbox(nothingObserved), 'kill pod, sandbox 1, start main'],
  ['a dead sandbox is not replaced when all have succeeded', onFailure, deadSandbox(observedPod(exampleExit('main', 0))), 'kill pod'],
  ['a sandbox without an address is replaced', examplePod(), { ...nothingObserved, sandboxes: [exampleSandbox(0, { address: '' })] }, 'kill pod, sandbox 1, start main'],
  ['of two sandboxes that are ready none is trusted', examplePod(), { ...nothingObserved, sandboxes: [exampleSandbox(1), exampleSandbox(0)] }, 'kill pod, sandbox 2, start main'],

  ['other resources may need another container', resized(exampleSpec('main', { resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }], resources: { requests: { cpu: '1' } } })), observedPod(exampleContainer('main')), 'kill main-0 (Container main resize requires restart), start main'],
  ['other resources need no other container otherwise', resized(exampleSpec('main', { resources: { requests: { cpu: '1' } } })), observedPod(exampleContainer('main')), ''],

  ['an ephemeral container is started, and never again', examplePod({ ephemeralContainers: [exampleSpec('debug'), exampleSpec('old')] }), observedPod(exampleContainer('main'), exampleExit('old', 1)), 'start debug'],
];

describe('what has to be done for a pod', () => {
  for (const [title, pod, observed, expected, probes] of cases) {
    it(title, () => assert.equal(summary(podActions(pod, observed, { ...silent, ...probes }, new Resizes(pod))), expected));
  }
});
