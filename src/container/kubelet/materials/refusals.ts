import type { ContainerSpec, PodManifest } from '../pod.ts';
import type { Refusal } from './port.ts';
import { SUPPORTED } from './volume-sources.ts';

interface Rule {
  readonly field: string;
  readonly why: string;
  readonly applies: (pod: PodManifest) => boolean;
}

const GUEST = 'the guest is the node here, and it is not the pod\'s';
const REASON = 'UnsupportedByVirtualNode';

/** Those of a pod's own namespaces that a kubelet allows by itself. */
const SAFE_SYSCTLS = new Set([
  'kernel.shm_rmid_forced', 'net.ipv4.ip_local_port_range', 'net.ipv4.tcp_syncookies', 'net.ipv4.ping_group_range', 'net.ipv4.ip_unprivileged_port_start', 'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time', 'net.ipv4.tcp_fin_timeout', 'net.ipv4.tcp_keepalive_intvl', 'net.ipv4.tcp_keepalive_probes', 'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem',
]);

const RULES: readonly Rule[] = [
  { field: 'spec.hostNetwork', why: GUEST, applies: ({ spec }) => spec.hostNetwork === true },
  { field: 'spec.hostPID', why: GUEST, applies: ({ spec }) => spec.hostPID === true },
  { field: 'spec.hostIPC', why: GUEST, applies: ({ spec }) => spec.hostIPC === true },
  { field: 'spec.hostUsers: false', why: 'the runtime in the guest has no user namespaces', applies: ({ spec }) => spec.hostUsers === false },
  { field: 'spec.runtimeClassName', why: 'the guest has one runtime', applies: ({ spec }) => spec.runtimeClassName !== undefined && spec.runtimeClassName !== '' },
  { field: 'spec.resourceClaims', why: 'devices are not handed to guests\' pods', applies: ({ spec }) => listIn(spec['resourceClaims']).length > 0 },
  { field: 'spec.resources', why: 'resources of a pod as a whole are not held to', applies: ({ spec }) => spec['resources'] !== undefined && Object.keys(spec['resources'] as object).length > 0 },
  { field: 'spec.os.name: windows', why: 'the guest runs Linux', applies: ({ spec }) => (spec['os'] as { readonly name?: string } | undefined)?.name === 'windows' },
  { field: 'spec.securityContext.seLinuxOptions', why: 'the guest has no SELinux', applies: ({ spec }) => Object.keys(spec.securityContext?.['seLinuxOptions'] ?? {}).length > 0 },
  { field: 'spec.securityContext.windowsOptions', why: 'the guest runs Linux', applies: ({ spec }) => spec.securityContext?.['windowsOptions'] !== undefined },
  { field: 'spec.securityContext.appArmorProfile', why: 'the guest has no AppArmor', applies: ({ spec }) => appArmor(spec.securityContext?.['appArmorProfile']) },
  { field: 'spec.securityContext.seccompProfile.type: Localhost', why: 'profiles are files of a node', applies: ({ spec }) => spec.securityContext?.seccompProfile?.type === 'Localhost' },
  { field: 'spec.securityContext.supplementalGroupsPolicy: Strict', why: 'the runtime in the guest merges groups', applies: ({ spec }) => spec.securityContext?.['supplementalGroupsPolicy'] === 'Strict' },
  ofContainers('securityContext.privileged', 'a privileged container is root of the guest', ({ securityContext }) => securityContext?.privileged === true),
  ofContainers('securityContext.seLinuxOptions', 'the guest has no SELinux', ({ securityContext }) => Object.keys(securityContext?.['seLinuxOptions'] ?? {}).length > 0),
  ofContainers('securityContext.windowsOptions', 'the guest runs Linux', ({ securityContext }) => securityContext?.['windowsOptions'] !== undefined),
  ofContainers('securityContext.appArmorProfile', 'the guest has no AppArmor', ({ securityContext }) => appArmor(securityContext?.['appArmorProfile'])),
  ofContainers('securityContext.seccompProfile.type: Localhost', 'profiles are files of a node', ({ securityContext }) => securityContext?.seccompProfile?.type === 'Localhost'),
  ofContainers('ports.hostPort', 'a port of the guest is not opened for a pod; the pod has an address of its own', ({ ports = [] }) => ports.some(({ hostPort = 0 }) => hostPort > 0)),
  ofContainers('volumeDevices', 'block volumes are not handed to pods in guests', ({ volumeDevices = [] }) => volumeDevices.length > 0),
  ofContainers('resources.claims', 'devices are not handed to guests\' pods', ({ resources }) => (resources?.claims ?? []).length > 0),
  ofContainers('volumeMounts.mountPropagation: Bidirectional', 'mounts of a container do not reach the guest', ({ volumeMounts = [] }) => volumeMounts.some(({ mountPropagation }) => mountPropagation === 'Bidirectional')),
  ofContainers('volumeMounts.recursiveReadOnly: Enabled', 'the runtime in the guest cannot', ({ volumeMounts = [] }) => volumeMounts.some(({ recursiveReadOnly }) => recursiveReadOnly === 'Enabled')),
  ofContainers('lifecycle.stopSignal', 'the runtime in the guest takes the signal from the image', ({ lifecycle }) => lifecycle?.stopSignal !== undefined),
  ofContainers('env.valueFrom.fileKeyRef', 'variables are not read from files', ({ env = [] }) => env.some(({ valueFrom }) => valueFrom?.fileKeyRef !== undefined)),
];

/** Fields that a virtual node does not take, and why; docs/virtual-node.md lists them. */
export const UNSUPPORTED: readonly Pick<Rule, 'field' | 'why'>[] = RULES;

/** Why a virtual node does not run the pod: what it cannot do is never passed over. Undefined when it can do all. */
export function refusalOf(pod: PodManifest, namespace: string): Refusal | undefined {
  if (pod.metadata.namespace !== namespace) {
    return { reason: 'NamespaceNotAllowed', message: `this node is a virtual machine of namespace ${namespace}, whose owner sees all that its pods see; pods of other namespaces do not run here` };
  }
  const sysctl = pod.spec.securityContext?.sysctls?.map(({ name }) => name.replaceAll('/', '.')).find((name) => !SAFE_SYSCTLS.has(name));
  if (sysctl !== undefined) return { reason: 'SysctlForbidden', message: `forbidden sysctl: ${JSON.stringify(sysctl)} not allowlisted` };
  const rule = RULES.find(({ applies }) => applies(pod));
  if (rule !== undefined) return { reason: REASON, message: `${rule.field} is not supported on a node that is a virtual machine: ${rule.why}` };
  return volumeRefusal(pod);
}

function volumeRefusal({ spec }: PodManifest): Refusal | undefined {
  for (const volume of spec.volumes ?? []) {
    const kind = Object.keys(volume).find((key) => key !== 'name') ?? 'emptyDir';
    const medium = (volume['emptyDir'] as { readonly medium?: string } | undefined)?.medium ?? '';
    if (!SUPPORTED.has(kind)) return { reason: REASON, message: `volume ${volume.name}: ${kind} is not supported on a node that is a virtual machine; supported are ${[...SUPPORTED].join(', ')}` };
    if (medium.startsWith('HugePages')) return { reason: REASON, message: `volume ${volume.name}: emptyDir.medium ${medium} is not supported on a node that is a virtual machine` };
    const sources = listIn((volume['projected'] as { readonly sources?: unknown } | undefined)?.sources) as readonly object[];
    const bundle = sources.flatMap((source) => Object.keys(source)).find((key) => key === 'clusterTrustBundle' || key === 'podCertificate');
    if (bundle !== undefined) return { reason: REASON, message: `volume ${volume.name}: projected ${bundle} is not supported on a node that is a virtual machine` };
  }
  return undefined;
}

function ofContainers(field: string, why: string, applies: (container: ContainerSpec) => boolean): Rule {
  return { field: `a container's ${field}`, why, applies: ({ spec }) => [...spec.containers, ...spec.initContainers ?? [], ...spec.ephemeralContainers ?? []].some(applies) };
}

function appArmor(profile: unknown): boolean {
  const { type } = (profile ?? {}) as { readonly type?: string };
  return type === 'Localhost' || type === 'RuntimeDefault';
}

function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
