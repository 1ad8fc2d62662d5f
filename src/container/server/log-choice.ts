import type { ContainerStatusReport, PodManifest } from '../kubelet/pod.ts';
import { specsOf } from './containers.ts';
import { HttpError } from './http-error.ts';

const WAITING: Readonly<Record<string, string>> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: 'trying and failing to pull image',
};

/**
 * The id of the run whose log is meant by a container's name, as the pod's status has it: the present run, or the one
 * before; while a container waits to be started again it is the last. Throws an HttpError in the kubelet's words.
 */
export function loggedRun(pod: PodManifest, container: string, previous: boolean): string {
  const { name } = pod.metadata;
  if (!specsOf(pod).some((spec) => spec.name === container)) throw new HttpError(404, `container ${quoted(container)} not found in pod ${quoted(name)}`);
  const status = statusesOf(pod).find((entry) => entry.name === container);
  const where = `container ${quoted(container)} in pod ${quoted(name)}`;
  if (status === undefined) throw new HttpError(400, `${where} is not available`);
  const { state = {}, lastState = {} } = status;
  const last = lastState.terminated?.containerID ?? '';
  if (previous) return idOf(last) ?? refused(`previous terminated ${where} not found`);
  if (state.running !== undefined) return idOf(status.containerID) ?? refused(`${where} is waiting to start - no logs yet`);
  if (state.terminated !== undefined) return idOf(state.terminated.containerID) ?? idOf(last) ?? refused(`${where} is terminated`);
  if (lastState.terminated !== undefined) return idOf(last) ?? refused(`${where} is terminated`);
  if (state.waiting === undefined) return refused(`${where} is waiting to start - no logs yet`);
  const { reason = '' } = state.waiting;
  return refused(`${where} is waiting to start: ${WAITING[reason] ?? reason}`);
}

function statusesOf({ status = {} }: PodManifest): readonly ContainerStatusReport[] {
  return [...status.containerStatuses ?? [], ...status.initContainerStatuses ?? [], ...status.ephemeralContainerStatuses ?? []];
}

/** Without the runtime's name before it. */
function idOf(containerId = ''): string | undefined {
  const id = containerId.replace(/^.*:\/\//, '');
  return id === '' ? undefined : id;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

function refused(message: string): never {
  throw new HttpError(400, message);
}
