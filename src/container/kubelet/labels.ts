import { createHash } from 'node:crypto';
import type { ContainerSpec, HandlerSpec, PodManifest } from './pod.ts';

/** Labels and annotations that the runtime keeps for the kubelet: who restarts finds in them all that it knew. */
const POD_NAME = 'io.kubernetes.pod.name';
const POD_NAMESPACE = 'io.kubernetes.pod.namespace';
const POD_UID = 'io.kubernetes.pod.uid';
const CONTAINER_NAME = 'io.kubernetes.container.name';
const HASH = 'io.kubernetes.container.hash';
const RESTART_COUNT = 'io.kubernetes.container.restartCount';
const MESSAGE_PATH = 'io.kubernetes.container.terminationMessagePath';
const MESSAGE_POLICY = 'io.kubernetes.container.terminationMessagePolicy';
const PRE_STOP = 'io.kubernetes.container.preStopHandler';
const PORTS = 'io.kubernetes.container.ports';
const DELETION_GRACE = 'io.kubernetes.pod.deletionGracePeriod';
const GRACE = 'io.kubernetes.pod.terminationGracePeriod';

type Strings = Readonly<Record<string, string>>;

/** Whose it is; undefined when it is no pod's. */
export function podOf(labels: Strings): { readonly uid: string; readonly name: string; readonly namespace: string } | undefined {
  const { [POD_UID]: uid, [POD_NAME]: name = '', [POD_NAMESPACE]: namespace = '' } = labels;
  return uid === undefined ? undefined : { uid, name, namespace };
}

export function sandboxLabels(pod: PodManifest): Strings {
  return { ...pod.metadata.labels, ...ownLabels(pod) };
}

export function containerLabels(pod: PodManifest, container: ContainerSpec): Strings {
  return { ...ownLabels(pod), [CONTAINER_NAME]: container.name };
}

export function containerAnnotations(pod: PodManifest, container: ContainerSpec, restartCount: number): Strings {
  const { terminationMessagePath = '', terminationMessagePolicy = 'File', lifecycle, ports } = container;
  const { deletionGracePeriodSeconds } = pod.metadata;
  const { terminationGracePeriodSeconds } = pod.spec;
  return {
    [HASH]: definitionHash(container),
    [RESTART_COUNT]: String(restartCount),
    [MESSAGE_PATH]: terminationMessagePath,
    [MESSAGE_POLICY]: terminationMessagePolicy,
    ...(deletionGracePeriodSeconds === undefined ? {} : { [DELETION_GRACE]: String(deletionGracePeriodSeconds) }),
    ...(terminationGracePeriodSeconds === undefined ? {} : { [GRACE]: String(terminationGracePeriodSeconds) }),
    ...(lifecycle?.preStop === undefined ? {} : { [PRE_STOP]: JSON.stringify(lifecycle.preStop) }),
    ...(ports === undefined || ports.length === 0 ? {} : { [PORTS]: JSON.stringify(ports) }),
  };
}

/** What the annotations of a container say of it. */
export interface ContainerNotes {
  readonly hash: string;
  readonly restartCount: number;
  readonly hasMessageFile: boolean;
  readonly logsAreMessage: boolean;
}

export function containerName(labels: Strings): string {
  return labels[CONTAINER_NAME] ?? '';
}

export function notesOf(annotations: Strings): ContainerNotes {
  return {
    hash: annotations[HASH] ?? '',
    restartCount: Number(annotations[RESTART_COUNT] ?? 0),
    hasMessageFile: (annotations[MESSAGE_PATH] ?? '') !== '',
    logsAreMessage: annotations[MESSAGE_POLICY] === 'FallbackToLogsOnError',
  };
}

/** As much of a pod and its container as ending it takes, when the API has it no more. */
export function restoredPod(labels: Strings, annotations: Strings): { readonly pod: PodManifest; readonly container: ContainerSpec } {
  const { uid = '', name = '', namespace = '' } = podOf(labels) ?? {};
  const grace = annotations[GRACE];
  const preStop = parsed(annotations[PRE_STOP]) as HandlerSpec | undefined;
  const ports = parsed(annotations[PORTS]) as ContainerSpec['ports'];
  const container: ContainerSpec = {
    name: containerName(labels),
    image: '',
    ...(preStop === undefined ? {} : { lifecycle: { preStop } }),
    ...(ports === undefined ? {} : { ports }),
  };
  const spec = { containers: [container], ...(grace === undefined ? {} : { terminationGracePeriodSeconds: Number(grace) }) };
  return { pod: { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, uid }, spec }, container };
}

/** Changes when the container has to be made anew: with its name or its image, as the kubelet has it. */
export function definitionHash({ name, image }: ContainerSpec): string {
  return createHash('sha256').update(JSON.stringify({ name, image })).digest('hex').slice(0, 16);
}

/** A pod as the kubelet names it in messages. */
export function describePod({ metadata: { name, namespace = 'default', uid = '' } }: PodManifest): string {
  return `${name}_${namespace}(${uid})`;
}

function ownLabels({ metadata: { name, namespace = 'default', uid = '' } }: PodManifest): Strings {
  return { [POD_NAME]: name, [POD_NAMESPACE]: namespace, [POD_UID]: uid };
}

function parsed(text: string | undefined): unknown {
  return text === undefined ? undefined : JSON.parse(text);
}
