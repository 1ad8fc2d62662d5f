import type { LinuxResources } from '../cri.ts';
import { amountOf, millicpuOf } from '../../base/quantity.ts';
import type { ContainerSpec, PodManifest } from './pod.ts';
import type { NodeSettings } from './port.ts';
import { qosClassOf } from './qos.ts';
import { isSidecar } from './restart.ts';

const PERIOD = 100_000;
const LEAST_QUOTA = 1000;
const LEAST_SHARES = 2;
const MOST_SHARES = 262_144;
/** Pods of this priority and above keep the node going. */
const NODE_CRITICAL = 2_000_001_000;

/** The cgroup that all of the pod's containers are in. */
export function cgroupParentOf(pod: PodManifest): string {
  const qos = qosClassOf(pod);
  return `/kubepods${qos === 'Guaranteed' ? '' : `/${qos.toLowerCase()}`}/pod${pod.metadata.uid ?? ''}`;
}

/** What limits depend on besides the pod. */
export type ResourceSettings = Pick<NodeSettings, 'allocatable' | 'cgroupVersion'>;

/** Limits of one container. */
export function linuxResources(pod: PodManifest, container: ContainerSpec, { allocatable, cgroupVersion }: ResourceSettings): LinuxResources {
  const { limits = {}, requests = {} } = container.resources ?? {};
  const cpuLimit = millicpuOf(limits['cpu']);
  const memoryLimit = Math.ceil(amountOf(limits['memory']));
  return {
    cpuPeriod: PERIOD,
    cpuQuota: cpuLimit === 0 ? 0 : Math.max((cpuLimit * PERIOD) / 1000, LEAST_QUOTA),
    cpuShares: sharesOf(requests['cpu'] === undefined ? cpuLimit : millicpuOf(requests['cpu'])),
    ...(memoryLimit > 0 ? { memoryLimitBytes: memoryLimit } : {}),
    oomScoreAdj: oomScoreAdj(pod, container, allocatable.memoryBytes),
    // A container that lost one of its processes for want of memory would go on as half of what it was.
    ...(cgroupVersion === 2 ? { unified: { 'memory.oom.group': '1' } } : {}),
  };
}

/** Who is killed first when the node, which has `memoryBytes`, runs out of memory: from -997 to 1000, the more the sooner. */
export function oomScoreAdj(pod: PodManifest, container: ContainerSpec, memoryBytes: number): number {
  const qos = qosClassOf(pod);
  if ((pod.spec.priority ?? 0) >= NODE_CRITICAL || qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const score = (bytes: number): number => 1000 - Math.floor((1000 * bytes) / Math.max(memoryBytes, 1));
  const requestOf = ({ resources }: ContainerSpec): number => amountOf(resources?.requests?.['memory']);
  const own = score(requestOf(container));
  const sidecar = isSidecar(container) ? Math.min(own, score(Math.min(...pod.spec.containers.map(requestOf)))) : own;
  return Math.min(Math.max(sidecar, 3), 999);
}

function sharesOf(milli: number): number {
  return Math.min(Math.max(Math.floor((milli * 1024) / 1000), LEAST_SHARES), MOST_SHARES);
}
