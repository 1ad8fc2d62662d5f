import { isDeepStrictEqual } from 'node:util';
import type { CompiledContainerHost } from '../../api/compiled-guest.ts';
import { timestamp } from '../../kube/conditions.ts';
import type { Condition } from '../../kube/core.ts';
import type { PressureCondition } from '../../container/kubelet/eviction/shortages.ts';
import type { GuestInfo, GuestPressure, LinkTransport } from '../../container/link/port.ts';

/** All that the status of a Node that is a guest is derived from. */
export interface NodeFacts {
  readonly host: CompiledContainerHost;
  /** Address of the host, where the node's kubelet answers. */
  readonly hostAddress: string;
  readonly kubeletPort: number;
  readonly info: GuestInfo;
  readonly transport: LinkTransport;
  readonly runtime: { readonly runtimeName: string; readonly runtimeVersion: string };
  readonly pressure: GuestPressure;
  /** What it is short of, or was until shortly ago. */
  readonly pressed: ReadonlySet<PressureCondition>;
  /** Why the node runs no pods now; undefined when it does. */
  readonly unready: { readonly reason: string; readonly message: string } | undefined;
}

export interface NodeStatusReport {
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
  readonly addresses: readonly { readonly type: string; readonly address: string }[];
  readonly daemonEndpoints: { readonly kubeletEndpoint: { readonly Port: number } };
  readonly nodeInfo: Readonly<Record<string, string>>;
  readonly conditions: readonly Condition[];
}

/** The Kubernetes release whose kubelet the virtual node follows. */
export const KUBELET_VERSION = 'v1.34.4+yadokari';

/** The status as a kubelet writes it. `before` are the conditions written last, whose transition times are kept. Pure. */
export function nodeStatus(facts: NodeFacts, before: readonly Condition[], nowMs: number): NodeStatusReport {
  const { host, info, pressure } = facts;
  return {
    capacity: resources(info.cpus * 1000, info.memoryBytes, pressure.diskCapacityBytes, host.maxPods),
    allocatable: resources(Math.max(info.cpus * 1000 - host.reservedMillicpu, 0), Math.max(info.memoryBytes - host.reservedBytes, 0), pressure.diskCapacityBytes, host.maxPods),
    addresses: [{ type: 'InternalIP', address: facts.hostAddress }],
    daemonEndpoints: { kubeletEndpoint: { Port: facts.kubeletPort } },
    nodeInfo: {
      machineID: info.machineId,
      systemUUID: info.machineId,
      bootID: info.bootId,
      kernelVersion: info.kernelVersion,
      osImage: info.osImage,
      containerRuntimeVersion: `${facts.runtime.runtimeName}://${facts.runtime.runtimeVersion}`,
      kubeletVersion: KUBELET_VERSION,
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: info.architecture,
    },
    conditions: conditionsOf(facts, before, nowMs),
  };
}

/** Whether there is anything new to tell, times of heartbeats aside. */
export function tellsMore(status: NodeStatusReport, last: NodeStatusReport | undefined): boolean {
  return last === undefined || !isDeepStrictEqual(withoutTimes(status), withoutTimes(last));
}

function withoutTimes({ conditions, ...rest }: NodeStatusReport): unknown {
  return { ...rest, conditions: conditions.map(({ type, status, reason, message }) => ({ type, status, reason, message })) };
}

function conditionsOf({ pressed, unready, transport }: NodeFacts, before: readonly Condition[], nowMs: number): readonly Condition[] {
  const wanted: readonly Condition[] = [
    pressureCondition('MemoryPressure', pressed, 'KubeletHasInsufficientMemory', 'KubeletHasSufficientMemory', 'memory'),
    pressureCondition('DiskPressure', pressed, 'KubeletHasDiskPressure', 'KubeletHasNoDiskPressure', 'disk'),
    { type: 'PIDPressure', status: 'False', reason: 'KubeletHasSufficientPID', message: 'the guest has sufficient PIDs' },
    unready === undefined
      ? { type: 'Ready', status: 'True', reason: 'KubeletReady', message: `the guest runs pods, and is reached by ${transport}` }
      : { type: 'Ready', status: 'False', ...unready },
  ];
  const now = timestamp(nowMs);
  return wanted.map((condition) => {
    const known = before.find(({ type }) => type === condition.type);
    return { ...condition, lastHeartbeatTime: now, lastTransitionTime: known?.status === condition.status ? known.lastTransitionTime ?? now : now };
  });
}

function pressureCondition(type: PressureCondition, pressed: ReadonlySet<PressureCondition>, yes: string, no: string, what: string): Condition {
  return pressed.has(type)
    ? { type, status: 'True', reason: yes, message: `the guest runs out of ${what}` }
    : { type, status: 'False', reason: no, message: `the guest has sufficient ${what}` };
}

function resources(millicpu: number, memoryBytes: number, diskBytes: number, pods: number): Readonly<Record<string, string>> {
  return {
    cpu: millicpu % 1000 === 0 ? String(millicpu / 1000) : `${millicpu}m`,
    memory: `${Math.floor(memoryBytes / 1024)}Ki`,
    'ephemeral-storage': `${Math.floor(diskBytes / 1024)}Ki`,
    pods: String(pods),
  };
}
