import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContainerStateReport, PodManifest } from '../kubelet/pod.ts';
import { loggedRun } from './log-choice.ts';

const running: ContainerStateReport = { running: { startedAt: '' } };
const waiting = (reason: string): ContainerStateReport => ({ waiting: { reason } });
const terminated = (containerID?: string): ContainerStateReport => ({ terminated: { exitCode: 1, startedAt: '', finishedAt: '', ...(containerID === undefined ? {} : { containerID }) } });

function podWith(state: ContainerStateReport, lastState: ContainerStateReport = {}, list: 'containerStatuses' | 'initContainerStatuses' | 'ephemeralContainerStatuses' = 'containerStatuses'): PodManifest {
  return {
    apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' },
    spec: { containers: [{ name: 'app', image: '' }], initContainers: [{ name: 'setup', image: '' }] },
    status: { [list]: [{ name: 'app', ready: false, restartCount: 1, image: '', imageID: '', containerID: 'containerd://now', state, lastState }] },
  };
}

describe('the run whose log is meant', () => {
  const table: readonly [string, ContainerStateReport, ContainerStateReport, { readonly now: string; readonly previous: string }][] = [
    ['runs for the first time', running, {}, { now: 'now', previous: 'previous terminated container "app" in pod "web" not found' }],
    ['runs again', running, terminated('containerd://last'), { now: 'now', previous: 'last' }],
    ['has ended', terminated('containerd://now'), {}, { now: 'now', previous: 'previous terminated container "app" in pod "web" not found' }],
    ['was not started again', terminated(), terminated('containerd://last'), { now: 'last', previous: 'last' }],
    ['ended without ever having run', terminated(), {}, { now: 'container "app" in pod "web" is terminated', previous: 'previous terminated container "app" in pod "web" not found' }],
    ['waits to be started again', waiting('CrashLoopBackOff'), terminated('containerd://last'), { now: 'last', previous: 'last' }],
    ['waits for the first time', waiting('ContainerCreating'), {}, { now: 'container "app" in pod "web" is waiting to start: ContainerCreating', previous: 'previous terminated container "app" in pod "web" not found' }],
    ['waits for its image', waiting('ErrImagePull'), {}, { now: 'container "app" in pod "web" is waiting to start: image can\'t be pulled', previous: 'previous terminated container "app" in pod "web" not found' }],
    ['waits for its image again', waiting('ImagePullBackOff'), {}, { now: 'container "app" in pod "web" is waiting to start: trying and failing to pull image', previous: 'previous terminated container "app" in pod "web" not found' }],
    ['is in no state', {}, {}, { now: 'container "app" in pod "web" is waiting to start - no logs yet', previous: 'previous terminated container "app" in pod "web" not found' }],
  ];
  for (const [name, state, lastState, expected] of table) {
    it(`of a container that ${name}`, () => {
      for (const list of ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'] as const) {
        assert.deepEqual({ now: chosen(podWith(state, lastState, list), false), previous: chosen(podWith(state, lastState, list), true) }, expected);
      }
    });
  }

  it('is nowhere when the pod has no such container, or says nothing of it yet', () => {
    assert.throws(() => loggedRun(podWith(running), 'other', false), { status: 404, message: 'container "other" not found in pod "web"' });
    assert.throws(() => loggedRun(podWith(running), 'setup', false), { status: 400, message: 'container "setup" in pod "web" is not available' });
  });
});

/** The run, or why there is none. */
function chosen(pod: PodManifest, previous: boolean): string {
  try {
    return loggedRun(pod, 'app', previous);
  } catch (error) {
    return (error as Error).message;
  }
}
