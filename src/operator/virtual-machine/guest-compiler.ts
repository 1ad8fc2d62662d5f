import type { CompiledCloudInit, CompiledContainerHost, CompiledDisk, CompiledFilesystem, CompiledGuest, CompiledImage, CompiledProbe } from '../../api/compiled-guest.ts';
import { diskClaimName } from '../../api/image-claims.ts';
import { LABEL_TENANT } from '../../api/open-stack-names.ts';
import type { DiskSpec, FilesystemSpec, ProbeSpec, VirtualMachineSpec } from '../../api/virtual-machine.ts';
import { YadoError } from '../../base/errors.ts';
import { bytesOf, mebibytesOf, millicpuOf } from '../../base/quantity.ts';
import type { PersistentVolumeClaim } from '../../kube/core.ts';
import { isDeleting } from '../../kube/object.ts';
import type { InstanceType, VirtualMachine, VirtualMachineImage } from '../../kube/yadokari.ts';
import { virtualNodeName } from '../virtual-node/name.ts';

/** The VirtualMachine refers to something that does not exist or does not fit, or its anchor was refused; the user must act. */
export class UnresolvedError extends YadoError {
  declare readonly code: 'ImageNotFound' | 'ImageNotImportable' | 'InstanceTypeNotFound' | 'ImageFormatWrong' | 'TopologyWrong' | 'PortNotFound' | 'ClaimNotFound' | 'ClaimUnsuitable' | 'ClaimInUse' | 'ClaimPending' | 'ImageImporting' | 'AnchorRefused';
  constructor(code: UnresolvedError['code'], message: string) {
    super(code, message, { disposition: 'stalled' });
  }
}

/** How references of a VirtualMachine are looked up, in its namespace. */
export interface References {
  image(name: string): VirtualMachineImage | undefined;
  instanceType(name: string): InstanceType | undefined;
  claim(name: string): PersistentVolumeClaim | undefined;
}

/** The machine with everything resolved; throws UnresolvedError. Pure: the same input gives the same guest. */
export function compileGuest(vm: VirtualMachine, references: References): CompiledGuest {
  const { spec, metadata } = vm;
  const size = sizeOf(spec, references);
  const cloudInit = cloudInitOf(spec);
  const probes = probesOf(spec);
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    cpu: topologyOf(spec, size.cpu),
    memoryMiB: size.memoryMiB,
    boot: bootOf(spec, references),
    disks: (spec.disks ?? []).map((disk) => diskOf(metadata.name, disk, references)),
    ...(spec.filesystems === undefined || spec.filesystems.length === 0 ? {} : { filesystems: spec.filesystems.map((filesystem) => filesystemOf(filesystem, references)) }),
    ...(spec.network?.address === undefined ? {} : { address: spec.network.address }),
    ...(spec.network?.floatingAddress === undefined ? {} : { floatingAddress: spec.network.floatingAddress }),
    ...(spec.network?.macAddress === undefined ? {} : { macAddress: spec.network.macAddress.toLowerCase() }),
    hostname: spec.hostname ?? metadata.name.slice(0, 63),
    ...(cloudInit === undefined ? {} : { cloudInit }),
    ...(spec.containerHost === undefined ? {} : { containerHost: containerHostOf(spec.containerHost, virtualNodeName(vm)) }),
    ...(probes === undefined ? {} : { probes }),
  };
}

function containerHostOf({ maxPods = 30, reserved, transport }: NonNullable<VirtualMachineSpec['containerHost']>, node: string): CompiledContainerHost {
  return { node, maxPods, reservedMillicpu: millicpuOf(reserved?.cpu ?? '0'), reservedBytes: bytesOf(reserved?.memory ?? '128Mi'), ...(transport === 'TLS' ? { transport: 'tls' } : {}) };
}

/** True when the machine has a disk on its node that outlives its runs, and so belongs to the node that holds it. */
export function hasPersistentDisk(guest: CompiledGuest): boolean {
  return guest.disks.some((disk) => !disk.ephemeral && !disk.readOnly && disk.claim === undefined);
}

function sizeOf(spec: VirtualMachineSpec, references: References): { readonly cpu: number; readonly memoryMiB: number } {
  const type = spec.instanceType === undefined ? undefined : references.instanceType(spec.instanceType);
  if (spec.instanceType !== undefined && type === undefined) {
    throw new UnresolvedError('InstanceTypeNotFound', `InstanceType ${spec.instanceType} does not exist in this namespace; create it or change spec.instanceType`);
  }
  const topology = spec.cpuTopology;
  const written = topology?.cores === undefined ? undefined : (topology.sockets ?? 1) * topology.cores * (topology.threads ?? 1);
  return { cpu: spec.cpu ?? written ?? type?.spec.cpu ?? 1, memoryMiB: mebibytesOf(spec.memory ?? type?.spec.memory ?? '0') };
}

function topologyOf(spec: VirtualMachineSpec, cpu: number): CompiledGuest['cpu'] {
  const { sockets = 1, threads = 1, cores, model } = spec.cpuTopology ?? {};
  const perSocket = cores ?? cpu / (sockets * threads);
  if (sockets * perSocket * threads !== cpu || !Number.isInteger(perSocket)) {
    throw new UnresolvedError('TopologyWrong', `cpuTopology of ${sockets} sockets, ${cores ?? 'any number of'} cores and ${threads} threads does not make ${cpu} CPUs`);
  }
  return { sockets, cores: perSocket, threads, ...(model === undefined ? {} : { model }) };
}

function bootOf(spec: VirtualMachineSpec, references: References): CompiledGuest['boot'] {
  const kernel = spec.kernelBoot;
  if (kernel === undefined) return { kind: 'firmware', firmware: spec.firmware ?? 'bios' };
  const image = imageOf(kernel.image, references);
  if (image.format !== 'tar') throw new UnresolvedError('ImageFormatWrong', `kernelBoot needs an image of format tar; ${image.name} is ${image.format}`);
  return {
    kind: 'kernel',
    image,
    kernel: kernel.kernel ?? 'vmlinuz',
    ...(kernel.initrd === undefined ? {} : { initrd: kernel.initrd }),
    ...(kernel.arguments === undefined ? {} : { commandLine: kernel.arguments }),
  };
}

function diskOf(machine: string, disk: DiskSpec, references: References): CompiledDisk {
  const claim = disk.storageClassName === undefined ? disk.persistentVolumeClaim : diskClaimName(machine, disk.name);
  if (claim !== undefined) return claimDiskOf(disk, claimOf(claim, references));
  const image = disk.image === undefined ? undefined : imageOf(disk.image, references);
  if (image?.format === 'tar') throw new UnresolvedError('ImageFormatWrong', `disk ${disk.name} needs an image of format qcow2, raw or iso; ${image.name} is a tar`);
  return {
    name: disk.name,
    ...(image === undefined ? {} : { image }),
    sizeBytes: disk.size === undefined ? 0 : bytesOf(disk.size),
    ephemeral: disk.ephemeral ?? false,
    readOnly: disk.readOnly ?? image?.format === 'iso',
  };
}

function claimDiskOf({ name, readOnly = false }: DiskSpec, { metadata, spec, status }: PersistentVolumeClaim): CompiledDisk {
  if (!readOnly && isReadOnly(spec.accessModes)) throw new UnresolvedError('ClaimUnsuitable', `disk ${name} needs to be readOnly: claim ${metadata.name} is ReadOnlyMany`);
  const size = status?.capacity?.['storage'] ?? spec.resources?.requests?.['storage'] ?? '0';
  return { name, claim: { name: metadata.name, mode: spec.volumeMode ?? 'Filesystem' }, sizeBytes: bytesOf(size), ephemeral: false, readOnly };
}

function filesystemOf({ name, persistentVolumeClaim, tag = name, readOnly = false }: FilesystemSpec, references: References): CompiledFilesystem {
  const { spec } = claimOf(persistentVolumeClaim, references);
  if (spec.volumeMode === 'Block') throw new UnresolvedError('ClaimUnsuitable', `filesystem ${name} needs a claim of volumeMode Filesystem; ${persistentVolumeClaim} is Block: use it as a disk`);
  return { name, claim: persistentVolumeClaim, tag, readOnly: readOnly || isReadOnly(spec.accessModes) };
}

function claimOf(name: string, references: References): PersistentVolumeClaim {
  const claim = references.claim(name);
  if (claim === undefined) throw new UnresolvedError('ClaimNotFound', `PersistentVolumeClaim ${name} does not exist in this namespace; create it or change the reference`);
  const tenant = claim.metadata.labels?.[LABEL_TENANT];
  if (tenant !== undefined) throw new UnresolvedError('ClaimUnsuitable', `PersistentVolumeClaim ${name} is a volume of OpenStackTenant ${tenant}: it is shown here, and can be attached in its cloud alone`);
  if (isDeleting(claim)) throw new UnresolvedError('ClaimNotFound', `PersistentVolumeClaim ${name} is being deleted; create it anew or change the reference`);
  return claim;
}

function isReadOnly(accessModes: readonly string[] = []): boolean {
  return accessModes.length > 0 && accessModes.every((mode) => mode === 'ReadOnlyMany');
}

function imageOf(name: string, references: References): CompiledImage {
  const image = references.image(name);
  if (image === undefined) throw new UnresolvedError('ImageNotFound', `VirtualMachineImage ${name} does not exist in this namespace; create it or change the reference`);
  return compiledImage(image);
}

/** What tells the image's content from another's. */
export function imageKey({ metadata, spec }: VirtualMachineImage): string {
  return spec.checksum ?? `uid:${metadata.uid ?? ''}`;
}

export function compiledImage(image: VirtualMachineImage): CompiledImage {
  const { source, checksum, format } = image.spec;
  if (source.glance !== undefined) throw new UnresolvedError('ImageNotImportable', `image ${image.metadata.name} is in Glance of OpenStackTenant ${source.glance.tenant}, from where only disks with a storageClassName are made`);
  if (source.virtualMachine !== undefined) throw new UnresolvedError('ImageNotImportable', `image ${image.metadata.name} is made of VirtualMachine ${source.virtualMachine.name} by its cloud, from where it cannot be imported: download it, and make an image of source http or file of it`);
  return {
    name: image.metadata.name,
    key: imageKey(image),
    source: source.http === undefined ? { kind: 'file', path: source.file?.path ?? '' } : { kind: 'http', url: source.http.url },
    ...(checksum === undefined ? {} : { checksum }),
    format,
  };
}

function cloudInitOf(spec: VirtualMachineSpec): CompiledCloudInit | undefined {
  const { cloudInit, sshKeys } = spec;
  if (cloudInit === undefined && sshKeys === undefined) return undefined;
  const { source = 'NoCloud', instanceID, metadata, availabilityZone, userData, userDataSecret, networkData, vendorData } = cloudInit ?? {};
  return {
    ...(source === 'NoCloud' ? {} : { source: source === 'ConfigDrive' ? 'configDrive' : 'metadataService' }),
    ...(instanceID === undefined ? {} : { instanceId: instanceID }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(availabilityZone === undefined ? {} : { availabilityZone }),
    ...(userData === undefined ? {} : { userData }),
    ...(userDataSecret === undefined ? {} : { userDataSecret: { name: userDataSecret.name, key: userDataSecret.key ?? 'userdata' } }),
    ...(networkData === undefined ? {} : { networkData }),
    ...(vendorData === undefined ? {} : { vendorData }),
    sshKeySecrets: (sshKeys ?? []).map((key) => key.secret),
  };
}

/** Readiness is the kubelet's to probe, by the anchor, but for the guest agent, which it cannot reach. */
function probesOf(spec: VirtualMachineSpec): CompiledGuest['probes'] {
  const { readiness, liveness } = spec.probes ?? {};
  const own = readiness?.guestAgent === undefined ? undefined : probeOf(readiness, spec, { initialDelaySeconds: 0, periodSeconds: 1 });
  if (own === undefined && liveness === undefined) return undefined;
  return {
    ...(own === undefined ? {} : { readiness: own }),
    ...(liveness === undefined ? {} : { liveness: probeOf(liveness, spec, { initialDelaySeconds: 120, periodSeconds: 10 }) }),
  };
}

function probeOf(probe: ProbeSpec, spec: VirtualMachineSpec, defaults: Pick<CompiledProbe['timing'], 'initialDelaySeconds' | 'periodSeconds'>): CompiledProbe {
  const { httpGet: _http, tcpSocket: _tcp, grpc: _grpc, guestAgent: _agent, ...timing } = probe;
  return { action: actionOf(probe, spec), timing: { timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3, ...defaults, ...timing } };
}

function actionOf({ httpGet, tcpSocket, grpc }: ProbeSpec, spec: VirtualMachineSpec): CompiledProbe['action'] {
  if (httpGet !== undefined) return { kind: 'httpGet', ...httpGet, port: portOf(httpGet.port, spec) };
  if (tcpSocket !== undefined) return { kind: 'tcpSocket', port: portOf(tcpSocket.port, spec) };
  return grpc === undefined ? { kind: 'guestAgent' } : { kind: 'grpc', ...grpc };
}

function portOf(port: number | string, spec: VirtualMachineSpec): number {
  if (typeof port === 'number') return port;
  const named = (spec.network?.ports ?? []).find(({ name }) => name === port);
  if (named === undefined) throw new UnresolvedError('PortNotFound', `a probe is of port ${port}; network.ports has no port of this name`);
  return named.port;
}
