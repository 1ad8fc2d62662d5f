import { isDeepStrictEqual } from 'node:util';
import { LABEL_ATTACHMENT, LABEL_POD, LABEL_VIRTUAL_MACHINE, LABEL_WORKLOAD } from '../api/group.ts';
import { diskClaimName, LABEL_IMAGE } from '../api/image-claims.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { KubeClient } from '../kube/client.ts';
import { Controller, isMoreThanStatus, type ControllerMetrics } from '../kube/controller.ts';
import { certificateSigningRequests, nodes, persistentVolumeClaims, podDisruptionBudgets, pods, type Node } from '../kube/core.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import { Informer, type Change } from '../kube/informer.ts';
import type { ManagerOptions } from '../kube/manager.ts';
import { controllerOf, keyFor, keyOf, type KubeObject, type ObjectKey } from '../kube/object.ts';
import { instanceTypes, storageBackends, virtualMachineImages, virtualMachines, yadoPods, type VirtualMachine, type VirtualMachineImage, type YadoPod } from '../kube/yadokari.ts';
import type { Ipam } from '../network/port.ts';
import { ImageClaimReconciler } from './image-claim/controller.ts';
import { ALL_NODES, GoneNodesReconciler } from './node/controller.ts';
import type { ConnectCloud } from './open-stack-tenant/cloud-access.ts';
import { openStackParts } from './open-stack.ts';
import { mirrorIndexers } from './open-stack-tenant/informers.ts';
import { movedIndexers } from './open-stack-tenant/released.ts';
import { machineNameOf, PodReconciler } from './pod/controller.ts';
import { StorageBackendReconciler } from './storage-backend/controller.ts';
import type { AnchorOptions } from './virtual-machine/anchor.ts';
import { diskClaimsOf } from './virtual-machine/claim-rivals.ts';
import { VirtualMachineReconciler } from './virtual-machine/controller.ts';
import { VirtualMachineImageReconciler } from './virtual-machine-image/controller.ts';
import { NodeCertificatesReconciler } from './virtual-node/certificates.ts';
import { machineOf, VirtualNodeReconciler } from './virtual-node/controller.ts';
import { virtualNodeName } from './virtual-node/name.ts';
import { WorkloadReconciler } from './workload/controller.ts';

export interface OperatorOptions {
  readonly client: KubeClient;
  /** Where operator and agents have their service accounts. */
  readonly namespace: string;
  /** Absent where another network gives the addresses. */
  readonly ipam?: Ipam;
  readonly events: EventRecorder;
  readonly log: Log;
  readonly clock: Clock;
  readonly metrics: ControllerMetrics;
  readonly anchor: AnchorOptions;
  /** How clouds of OpenStackTenants are reached. Absent: those are left alone. */
  readonly connectCloud?: ConnectCloud;
}

/** All that the operator runs. */
export function createControllers(options: OperatorOptions): Required<Pick<ManagerOptions, 'informers' | 'background' | 'controllers' | 'disposables'>> {
  const { client, log, clock, metrics } = options;
  const vms = new Informer(client, virtualMachines, { log, indexers: { ...mirrorIndexers, ...movedIndexers, image: imagesOf, claim: claimsOf, diskClaim: diskClaimsOf, instanceType: instanceTypeOf, virtualNode: virtualNodeOf, node: (vm) => (vm.status?.node === undefined ? [] : [vm.status.node]) } });
  const anchors = new Informer(client, pods, { log, labelSelector: LABEL_VIRTUAL_MACHINE, indexers: { owner: ownerOf, node: (pod) => (pod.spec.nodeName === undefined ? [] : [pod.spec.nodeName]) } });
  const attachments = new Informer(client, pods, { log, labelSelector: LABEL_ATTACHMENT, indexers: { anchor: ownerOf } });
  // In the background, since the chart of an older release gives no right to see them.
  const claims = new Informer(client, persistentVolumeClaims, { log, indexers: mirrorIndexers });
  const copies = new Informer(client, pods, { log, labelSelector: LABEL_IMAGE });
  const corePods = new Informer(client, pods, { log, labelSelector: LABEL_POD });
  const workloads = new Informer(client, pods, { log, labelSelector: LABEL_WORKLOAD });
  const ourPods = new Informer(client, yadoPods, { log, indexers: { machine: machineOfPod } });
  const images = new Informer(client, virtualMachineImages, { log, indexers: { ...mirrorIndexers, machine: machineOfImage } });
  const types = new Informer(client, instanceTypes, { log, indexers: mirrorIndexers });
  const budgets = new Informer(client, podDisruptionBudgets, { log, labelSelector: LABEL_VIRTUAL_MACHINE });
  const backends = new Informer(client, storageBackends, { log });
  const nodeInformer = new Informer(client, nodes, { log });
  const requests = new Informer(client, certificateSigningRequests, { log });

  const vmReconciler = new VirtualMachineReconciler({ ...options, vms, anchors, attachments, claims, images, instanceTypes: types, nodes: nodeInformer, budgets });
  const vmsUsing = (index: string) => (object: KubeObject): readonly ObjectKey[] => vms.byIndex(index, keyOf(object)).map(keyOf);
  const vmsOnNode = (node: KubeObject): readonly ObjectKey[] => anchors.byIndex('node', node.metadata.name).flatMap((pod) => {
    const owner = controllerOf(pod);
    return owner === undefined ? [] : [keyFor(pod.metadata.namespace, owner.name)];
  });

  const controllers = [
    new Controller({ name: 'virtual-machine', reconcile: vmReconciler.reconcile, log, clock, metrics, concurrency: 16 })
      .watch(vms)
      .watchOwned(anchors, 'VirtualMachine')
      .watchOwned(budgets, 'VirtualMachine')
      .watchMapped(attachments, machineOfAttachment)
      .watchMappedLoosely(claims, (claim) => [...vmsUsing('claim')(claim), ...imageOf(claim).flatMap((image) => vms.byIndex('image', image).map(keyOf))])
      // Each node reports in an image's status: nothing that its machines depend on.
      .watchMapped(images, vmsUsing('image'), isMoreThanStatus)
      .watchMapped(types, vmsUsing('instanceType'))
      .watchMapped(nodeInformer, (node) => [...vmsOnNode(node), ...ownMachineOf(node)]),
    new Controller({ name: 'pod', reconcile: new PodReconciler({ ...options, yadoPods: ourPods, pods: corePods, vms }).reconcile, log, clock, metrics })
      .watch(ourPods)
      .watchOwned(corePods, 'Pod')
      // Why a pod waits for its machine.
      .watchMapped(vms, (vm) => ourPods.byIndex('machine', keyOf(vm)).map(keyOf)),
    new Controller({ name: 'workload', reconcile: new WorkloadReconciler({ ...options, vms, workloads }).reconcile, log, clock, metrics })
      .watchMapped(vms, (vm) => (vm.spec.containers === undefined ? [] : [keyOf(vm)]), isMoreThanStatus)
      .watch(workloads),
    new Controller({ name: 'virtual-machine-image', reconcile: new VirtualMachineImageReconciler({ client, images, vms, clock }).reconcile, log, clock, metrics })
      .watch(images)
      .watchMapped(vms, (vm) => images.byIndex('machine', keyOf(vm)).map(keyOf), isMoreThanStatus),
    new Controller({ name: 'image-claim', reconcile: new ImageClaimReconciler({ client, images, claims, copies, vms, pauseImage: options.anchor.pauseImage }).reconcile, log, clock, metrics })
      .watch(images)
      .watchMapped(vms, (vm) => (vm.spec.disks?.some(({ storageClassName }) => storageClassName !== undefined) === true ? imagesOf(vm) : []), isMoreThanStatus)
      .watchMapped(copies, imageOf)
      .watchMappedLoosely(claims, imageOf),
    new Controller({ name: 'storage-backend', reconcile: new StorageBackendReconciler({ client, backends, clock }).reconcile, log, clock, metrics })
      .watch(backends),
    new Controller({ name: 'virtual-node', reconcile: new VirtualNodeReconciler({ ...options, vms, nodes: nodeInformer, hasPodNetwork: options.ipam !== undefined }).reconcile, log, clock, metrics })
      .watchMapped(vms, (vm) => (vm.spec.containerHost === undefined ? [] : [keyOf(vm)]))
      .watchMapped(nodeInformer, (node) => machinesOfNode(vms, node), isMoreThanHeartbeat),
    new Controller({ name: 'node-certificate', reconcile: new NodeCertificatesReconciler({ client, requests, vms, nodes: nodeInformer, namespace: options.namespace, clock, log }).reconcile, log, clock, metrics })
      .watch(requests),
  ];
  if (options.ipam !== undefined) {
    const goneNodes = new Controller({ name: 'gone-node', reconcile: new GoneNodesReconciler({ client, nodes: nodeInformer, ipam: options.ipam, log }).reconcile, log, clock, metrics, concurrency: 1 });
    goneNodes.watchMapped(nodeInformer, () => []);
    nodeInformer.onChange(({ type }) => void (type === 'deleted' && goneNodes.enqueue(ALL_NODES)));
    goneNodes.enqueue(ALL_NODES);
    controllers.push(goneNodes);
  }
  const { connectCloud } = options;
  const clouds = connectCloud === undefined ? undefined : openStackParts({ ...options, connect: connectCloud, vms, types, images, claims, nodes: nodeInformer });
  controllers.push(...clouds?.controllers ?? []);
  return { informers: [vms, anchors, attachments, copies, corePods, workloads, ourPods, images, types, nodeInformer, budgets], background: [requests, backends, claims, ...clouds?.background ?? []], controllers, disposables: clouds === undefined ? [] : [clouds.disposable] };
}

function imagesOf(vm: VirtualMachine): readonly string[] {
  const names = [vm.spec.kernelBoot?.image, ...(vm.spec.disks ?? []).map((disk) => disk.image)];
  return [...new Set(names.filter((name) => name !== undefined))].map((name) => keyFor(vm.metadata.namespace, name));
}

function claimsOf({ metadata, spec }: VirtualMachine): readonly string[] {
  const given = [...(spec.disks ?? []), ...(spec.filesystems ?? [])].flatMap(({ persistentVolumeClaim }) => (persistentVolumeClaim === undefined ? [] : [persistentVolumeClaim]));
  const own = (spec.disks ?? []).flatMap(({ name, storageClassName }) => (storageClassName === undefined ? [] : [diskClaimName(metadata.name, name)]));
  const names = [...given, ...own];
  return [...new Set(names)].map((name) => keyFor(metadata.namespace, name));
}

/** The image that a claim or a pod holds. */
function imageOf(object: KubeObject): readonly ObjectKey[] {
  const owner = object.metadata.labels?.[LABEL_IMAGE] === undefined ? undefined : controllerOf(object);
  return owner?.kind === 'VirtualMachineImage' ? [keyFor(object.metadata.namespace, owner.name)] : [];
}

/** The machine that an image is made of. */
function machineOfImage({ metadata: { namespace }, spec: { source } }: VirtualMachineImage): readonly ObjectKey[] {
  return source.virtualMachine === undefined ? [] : [keyFor(namespace, source.virtualMachine.name)];
}

function machineOfAttachment({ metadata }: KubeObject): readonly ObjectKey[] {
  const name = metadata.labels?.[LABEL_ATTACHMENT];
  return name === undefined ? [] : [keyFor(metadata.namespace, name)];
}

/** The machine that a Node is, and those on it that are Nodes. */
function machinesOfNode(vms: Informer<VirtualMachine>, node: Node): readonly ObjectKey[] {
  return [...ownMachineOf(node), ...vms.byIndex('node', node.metadata.name).filter((vm) => vm.spec.containerHost !== undefined).map(keyOf)];
}

function ownMachineOf(node: Node): readonly ObjectKey[] {
  const machine = machineOf(node);
  return machine === undefined ? [] : [machine];
}

function isMoreThanHeartbeat({ type, object, old }: Change<Node>): boolean {
  return type !== 'modified' || old === undefined || !isDeepStrictEqual([old.metadata.labels, old.spec], [object.metadata.labels, object.spec]);
}

/** The machine that a pod is to be in. */
function machineOfPod(pod: YadoPod): readonly ObjectKey[] {
  const name = machineNameOf(pod);
  return name === undefined ? [] : [keyFor(pod.metadata.namespace, name)];
}

function virtualNodeOf(vm: VirtualMachine): readonly string[] {
  return vm.spec.containerHost === undefined ? [] : [virtualNodeName(vm)];
}

function instanceTypeOf(vm: VirtualMachine): readonly string[] {
  return vm.spec.instanceType === undefined ? [] : [keyFor(vm.metadata.namespace, vm.spec.instanceType)];
}

function ownerOf(object: KubeObject): readonly string[] {
  const owner = controllerOf(object);
  return owner === undefined ? [] : [owner.uid];
}
