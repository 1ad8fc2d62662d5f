import type { SandboxConfig } from '../cri.ts';
import { sandboxLabels } from './labels.ts';
import { cgroupParentOf } from './linux-resources.ts';
import { fullNameOf, hostnameOf } from './materials/pod-network-files.ts';
import type { PodManifest } from './pod.ts';
import { logFolder } from './pod-paths.ts';
import { KubeletError, type NodeSettings } from './port.ts';
import { sandboxSecurity } from './security.ts';

/** Of the kernel. */
const LONGEST_NAME = 64;

export interface SandboxSurroundings {
  /** Of pods' files on the runtime's machine. */
  readonly root: string;
  readonly settings: NodeSettings;
  readonly dns: SandboxConfig['dns'];
}

/** What the runtime is told of a pod. `attempt` counts its sandboxes. */
export function sandboxConfigOf(pod: PodManifest, attempt: number, { root, settings, dns }: SandboxSurroundings): SandboxConfig {
  const { name, namespace = 'default', uid = '', annotations = {} } = pod.metadata;
  const sysctls = pod.spec.securityContext?.sysctls ?? [];
  return {
    metadata: { name, namespace, uid, attempt },
    hostname: kernelName(pod, settings),
    logDirectory: `${root}/${logFolder(uid)}`,
    dns,
    labels: sandboxLabels(pod),
    annotations,
    cgroupParent: cgroupParentOf(pod),
    sysctls: Object.fromEntries(sysctls.map(({ name, value }) => [name.replaceAll('/', '.'), value])),
    securityContext: sandboxSecurity(pod),
  };
}

function kernelName(pod: PodManifest, settings: NodeSettings): string {
  const full = pod.spec.setHostnameAsFQDN === true ? fullNameOf(pod, settings) : undefined;
  if (full === undefined) return hostnameOf(pod);
  if (full.length <= LONGEST_NAME) return full;
  throw new KubeletError('FailedCreatePodSandBox', `failed to construct FQDN from pod hostname and cluster domain, FQDN ${full} is too long (${LONGEST_NAME} characters is the max, ${full.length} characters requested)`);
}
