import type { ContainerSecurity, CriImage, NamespaceOptions, SandboxSecurity, SecurityProfile } from '../cri.ts';
import { describePod } from './labels.ts';
import type { ContainerSecurityContext, ContainerSpec, PodManifest, SeccompProfileSpec } from './pod.ts';
import { KubeletError } from './port.ts';

/** What is hidden of /proc and /sys, as the kubelet has it. */
const MASKED = [
  '/proc/asound', '/proc/acpi', '/proc/interrupts', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list', '/proc/timer_stats', '/proc/sched_debug', '/proc/scsi', '/sys/firmware', '/sys/devices/virtual/powercap',
];
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export function sandboxSecurity(pod: PodManifest): SandboxSecurity {
  const { runAsUser, runAsGroup } = pod.spec.securityContext ?? {};
  return {
    namespaces: namespacesOf(pod),
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    supplementalGroups: groupsOf(pod),
    seccomp: { type: 'RuntimeDefault' },
  };
}

/**
 * What a container may do: its own security context, then the pod's, then the image's user. `target`: container whose
 * processes it sees. Rejects with CreateContainerConfigError who may not run as root and would.
 */
export function containerSecurity(pod: PodManifest, container: ContainerSpec, image: CriImage, target: string | undefined): ContainerSecurity {
  const own = effective(pod, container);
  refuseRoot(pod, container, own, image);
  const unmasked = own.procMount === 'Unmasked';
  return {
    namespaces: namespacesOf(pod, target),
    ...userOf(own, image),
    ...(own.runAsGroup === undefined ? {} : { runAsGroup: own.runAsGroup }),
    supplementalGroups: groupsOf(pod),
    addCapabilities: own.capabilities?.add ?? [],
    dropCapabilities: own.capabilities?.drop ?? [],
    privileged: own.privileged ?? false,
    readonlyRootfs: own.readOnlyRootFilesystem ?? false,
    noNewPrivileges: own.allowPrivilegeEscalation === false,
    seccomp: profileOf(container.securityContext?.seccompProfile ?? pod.spec.securityContext?.seccompProfile),
    maskedPaths: unmasked ? [] : MASKED,
    readonlyPaths: unmasked ? [] : READ_ONLY,
  };
}

function effective({ spec }: PodManifest, { securityContext = {} }: ContainerSpec): ContainerSecurityContext {
  const { runAsUser, runAsGroup, runAsNonRoot } = spec.securityContext ?? {};
  return {
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    ...(runAsNonRoot === undefined ? {} : { runAsNonRoot }),
    ...securityContext,
  };
}

function userOf({ runAsUser }: ContainerSecurityContext, { user }: CriImage): Pick<ContainerSecurity, 'runAsUser' | 'runAsUsername'> {
  if (runAsUser !== undefined) return { runAsUser };
  if (user?.name !== undefined) return { runAsUsername: user.name };
  return { runAsUser: user?.uid ?? 0 };
}

function refuseRoot(pod: PodManifest, { name }: ContainerSpec, { runAsNonRoot, runAsUser }: ContainerSecurityContext, { user }: CriImage): void {
  if (runAsNonRoot !== true) return;
  const where = `(pod: ${JSON.stringify(describePod(pod))}, container: ${name})`;
  const refuse = (why: string): never => {
    throw new KubeletError('CreateContainerConfigError', `${why} ${where}`);
  };
  if (runAsUser !== undefined) {
    if (runAsUser === 0) refuse("container's runAsUser breaks non-root policy");
  } else if (user?.name !== undefined) refuse(`container has runAsNonRoot and image has non-numeric user (${user.name}), cannot verify user is non-root`);
  else if ((user?.uid ?? 0) === 0) refuse('container has runAsNonRoot and image will run as root');
}

function groupsOf({ spec: { securityContext: { fsGroup, supplementalGroups = [] } = {} } }: PodManifest): readonly number[] {
  return [...(fsGroup === undefined ? [] : [fsGroup]), ...supplementalGroups];
}

function namespacesOf({ spec }: PodManifest, target?: string): NamespaceOptions {
  return {
    network: spec.hostNetwork === true ? 'NODE' : 'POD',
    ipc: spec.hostIPC === true ? 'NODE' : 'POD',
    pid: target !== undefined ? 'TARGET' : spec.hostPID === true ? 'NODE' : spec.shareProcessNamespace === true ? 'POD' : 'CONTAINER',
    ...(target === undefined ? {} : { targetId: target }),
  };
}

function profileOf(profile: SeccompProfileSpec | undefined): SecurityProfile {
  if (profile === undefined) return { type: 'Unconfined' };
  const { type, localhostProfile } = profile;
  return { type, ...(localhostProfile === undefined ? {} : { localhostRef: localhostProfile }) };
}
