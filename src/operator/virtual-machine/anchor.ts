import { createHash } from 'node:crypto';
import type { CompiledGuest } from '../../api/compiled-guest.ts';
import { diskVolume, filesystemVolume } from '../../api/anchor-volumes.ts';
import { ANNOTATION_GUEST, API_VERSION, CONDITION_GUEST, FINALIZER_GUEST, LABEL_VIRTUAL_MACHINE } from '../../api/group.ts';
import type { ProbeSpec } from '../../api/virtual-machine.ts';
import type { Pod } from '../../kube/core.ts';
import { controllerOf } from '../../kube/object.ts';
import { overheadMiB } from '../../vm/overhead.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';

export interface AnchorOptions {
  /** Image of the container that stands for the guest; it only waits. */
  readonly pauseImage: string;
  /** spliced: the cluster's CNI gives the address, and is asked for a fixed one in the words of the CNIs that can. */
  readonly network: 'native' | 'spliced';
}

/** A guest rarely needs all of its CPUs at once; a tenth of each is reserved. */
const MILLICPU_PER_CPU = 100;
/** The kubelet must wait longer than the guest may take. */
const GRACE_MARGIN_SECONDS = 30;
/** Of containers that only wait. */
export const POD_SECURITY = { runAsNonRoot: true, runAsUser: 65534, runAsGroup: 65534, seccompProfile: { type: 'RuntimeDefault' } } as const;
export const CONTAINER_SECURITY = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } } as const;
const NAME_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * The name of the anchor that follows `previous`. The same question always gets the same answer, so that a repeated
 * or outdated attempt to create it fails instead of making a second one.
 */
export function anchorName(vm: VirtualMachine, previous: string | undefined): string {
  const digest = createHash('sha256').update(`${vm.metadata.uid ?? ''}/${previous ?? ''}`).digest();
  const suffix = [...digest.subarray(0, 5)].map((byte) => NAME_ALPHABET[byte % NAME_ALPHABET.length]).join('');
  return `${vm.metadata.name}-${suffix}`;
}

export function isAnchorOf(pod: Pod, vm: VirtualMachine): boolean {
  return controllerOf(pod)?.uid === vm.metadata.uid;
}

/** The core/v1 Pod that stands for the guest: schedules it, holds its address, is what Services select. */
export function buildAnchor(vm: VirtualMachine, guest: CompiledGuest, name: string, options: AnchorOptions): Pod {
  const { metadata, spec, status } = vm;
  const volumes = volumesOf(guest);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: metadata.namespace ?? 'default',
      labels: { ...metadata.labels, [LABEL_VIRTUAL_MACHINE]: metadata.name },
      annotations: { ...inherited(metadata.annotations), ...(options.network === 'spliced' ? wishesOf(spec.network) : {}), [ANNOTATION_GUEST]: JSON.stringify(guest) },
      finalizers: [FINALIZER_GUEST],
      ownerReferences: [{ apiVersion: API_VERSION, kind: 'VirtualMachine', name: metadata.name, uid: metadata.uid ?? '', controller: true, blockOwnerDeletion: true }],
    },
    spec: {
      ...scheduling(vm, status?.home),
      hostname: guest.hostname,
      ...(spec.subdomain === undefined ? {} : { subdomain: spec.subdomain }),
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: (spec.terminationGracePeriodSeconds ?? 60) + GRACE_MARGIN_SECONDS,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      readinessGates: [{ conditionType: CONDITION_GUEST }],
      securityContext: POD_SECURITY,
      ...(volumes.length === 0 ? {} : { volumes: volumes.map(({ volume }) => volume) }),
      containers: [{
        name: 'guest',
        image: options.pauseImage,
        imagePullPolicy: 'IfNotPresent',
        resources: resourcesOf(guest),
        securityContext: CONTAINER_SECURITY,
        ...usesOf(volumes),
        ...(spec.network?.ports === undefined ? {} : { ports: spec.network.ports.map(({ port, ...rest }) => ({ containerPort: port, ...rest })) }),
        ...readinessProbe(spec.probes?.readiness),
      }],
    },
  };
}

/** A claim as a pod lists it, and how its container has it. */
export interface HeldClaim {
  readonly volume: { readonly name: string; readonly persistentVolumeClaim: { readonly claimName: string; readonly readOnly?: true } };
  readonly mode: 'Block' | 'Filesystem';
}

export function heldClaim(name: string, claimName: string, mode: HeldClaim['mode'], readOnly: boolean): HeldClaim {
  return { volume: { name, persistentVolumeClaim: { claimName, ...(readOnly ? { readOnly } : {}) } }, mode };
}

/** The container does nothing with its volumes: the kubelet publishes just those that some container uses. */
export function usesOf(held: readonly HeldClaim[]): Record<string, unknown> {
  const names = (mode: HeldClaim['mode']) => held.filter((claim) => claim.mode === mode).map(({ volume }) => volume.name);
  const [blocks, trees] = [names('Block'), names('Filesystem')];
  return {
    ...(trees.length === 0 ? {} : { volumeMounts: trees.map((name) => ({ name, mountPath: `/volumes/${name}` })) }),
    ...(blocks.length === 0 ? {} : { volumeDevices: blocks.map((name) => ({ name, devicePath: `/dev/${name}` })) }),
  };
}

/** Of all claims of the guest that it starts with. */
function volumesOf({ disks, filesystems = [] }: CompiledGuest): readonly HeldClaim[] {
  return [
    ...disks.flatMap(({ name, claim, readOnly }) => (claim === undefined ? [] : [heldClaim(diskVolume(name), claim.name, claim.mode, readOnly)])),
    ...filesystems.map(({ name, claim, readOnly }) => heldClaim(filesystemVolume(name), claim, 'Filesystem', readOnly)),
  ];
}

export function vcpus(guest: CompiledGuest): number {
  return guest.cpu.sockets * guest.cpu.cores * guest.cpu.threads;
}

/** Requests are for the scheduler and quotas; limits are what the guest's own cgroup is held to. */
function resourcesOf(guest: CompiledGuest): Record<string, unknown> {
  const memory = `${guest.memoryMiB + overheadMiB(guest.memoryMiB)}Mi`;
  return { requests: { cpu: `${vcpus(guest) * MILLICPU_PER_CPU}m`, memory }, limits: { cpu: String(vcpus(guest)), memory } };
}

/** Annotations that say something of the pod, such as a CNI's: all but ours and those of the tools that wrote the machine. */
function inherited(annotations: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !/^([^/]+\.)?(yadokari\.dev|kubectl\.kubernetes\.io|helm\.sh|argoproj\.io|fluxcd\.io)\//.test(key)));
}

/** Calico's annotations for a pod's own address and MAC address; others pass them over, and the agent then says that the address is another one. */
function wishesOf({ address, macAddress, floatingAddress }: VirtualMachine['spec']['network'] = {}): Record<string, string> {
  return {
    ...(address === undefined ? {} : { 'cni.projectcalico.org/ipAddrs': JSON.stringify([address]) }),
    ...(macAddress === undefined ? {} : { 'cni.projectcalico.org/hwAddr': macAddress }),
    ...(floatingAddress === undefined ? {} : { 'cni.projectcalico.org/floatingIPs': JSON.stringify([floatingAddress]) }),
  };
}

function scheduling(vm: VirtualMachine, home: string | undefined): Record<string, unknown> {
  const { nodeSelector, affinity, tolerations, topologySpreadConstraints, priorityClassName, schedulerName } = vm.spec;
  // A machine whose disks are on one node can run nowhere else: it waits for that node instead of being evicted.
  const stay = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'].map((key) => ({ key, operator: 'Exists', effect: 'NoExecute' }));
  return {
    nodeSelector: { ...nodeSelector, ...(home === undefined ? {} : { 'kubernetes.io/hostname': home }) },
    tolerations: [...(tolerations ?? []), ...(home === undefined ? [] : stay)],
    ...(affinity === undefined ? {} : { affinity }),
    ...(topologySpreadConstraints === undefined ? {} : { topologySpreadConstraints }),
    ...(priorityClassName === undefined ? {} : { priorityClassName }),
    ...(schedulerName === undefined ? {} : { schedulerName }),
  };
}

/** The guest agent is beyond the kubelet: the node's agent asks it, and holds the readiness gate. */
function readinessProbe(probe: ProbeSpec | undefined): { readonly readinessProbe?: ProbeSpec } {
  return probe === undefined || probe.guestAgent !== undefined ? {} : { readinessProbe: { periodSeconds: 1, ...probe } };
}
