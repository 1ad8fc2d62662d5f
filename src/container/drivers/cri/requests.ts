import type { ContainerConfig, ContainerSecurity, LinuxResources, NamespaceOptions, SandboxConfig, SandboxSecurity, SecurityProfile } from '../../cri.ts';

/** runtime.v1.PodSandboxConfig. */
export function sandboxConfig(config: SandboxConfig): object {
  const { dns, cgroupParent, sysctls = {}, securityContext, ...rest } = config;
  return { ...rest, dnsConfig: dns, linux: { cgroupParent, sysctls, securityContext: sandboxSecurity(securityContext) } };
}

/** runtime.v1.ContainerConfig. */
export function containerConfig(config: ContainerConfig): object {
  const { image, userSpecifiedImage = '', resources, security, mounts, ...rest } = config;
  return {
    ...rest,
    image: { image, userSpecifiedImage },
    mounts: mounts.map(({ propagation = 'PRIVATE', ...mount }) => ({ ...mount, propagation: `PROPAGATION_${propagation}` })),
    linux: { resources: resourcesMessage(resources), securityContext: containerSecurity(security) },
  };
}

/** runtime.v1.LinuxContainerResources. */
export function resourcesMessage({ memoryLimitBytes, ...rest }: LinuxResources): object {
  return { ...rest, ...(memoryLimitBytes === undefined ? {} : { memoryLimitInBytes: memoryLimitBytes }) };
}

function sandboxSecurity({ namespaces, runAsUser, runAsGroup, seccomp, ...rest }: SandboxSecurity): object {
  return { ...rest, namespaceOptions: namespaceOptions(namespaces), ...ids(runAsUser, runAsGroup), ...profile(seccomp) };
}

function containerSecurity({ namespaces, runAsUser, runAsGroup, addCapabilities = [], dropCapabilities = [], noNewPrivileges = false, seccomp, ...rest }: ContainerSecurity): object {
  return {
    ...rest,
    noNewPrivs: noNewPrivileges,
    capabilities: { addCapabilities, dropCapabilities },
    namespaceOptions: namespaceOptions(namespaces),
    ...ids(runAsUser, runAsGroup),
    ...profile(seccomp),
  };
}

/** A user of 0 is another thing than none. */
function ids(user: number | undefined, group: number | undefined): object {
  return { ...(user === undefined ? {} : { runAsUser: { value: user } }), ...(group === undefined ? {} : { runAsGroup: { value: group } }) };
}

function profile(seccomp: SecurityProfile | undefined): object {
  return seccomp === undefined ? {} : { seccomp: { profileType: seccomp.type, localhostRef: seccomp.localhostRef ?? '' } };
}

function namespaceOptions({ network, pid, ipc, targetId = '' }: NamespaceOptions): object {
  return { network, pid, ipc, targetId };
}
