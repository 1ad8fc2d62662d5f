import { MOST_DISKS, type OpenStackMigrationSpec, type ServerPlan } from '../../api/open-stack-migration.ts';
import { formatBytes } from '../../base/quantity.ts';
import { securityGroupProblem } from '../../openstack/counterparts.ts';
import type { Volume } from '../../openstack/volume/port.ts';
import { hasPassingDisks, type SourceInterface, type SourceServer } from './source-server.ts';

/** What of this cluster a plan depends on. */
export interface PlanGround {
  readonly spec: OpenStackMigrationSpec;
  /** The StorageClass that is taken for a volume type; undefined when there is none. */
  readonly classOf: (volumeType: string | undefined) => string | undefined;
  readonly hasClass: (name: string) => boolean;
  readonly hasType: (instanceType: string) => boolean;
  /** Whether addresses of a subnet can be had here. */
  readonly hasPool: (subnetId: string) => boolean;
  /** Whether a pool is there for floating addresses, and this is one of them. */
  readonly hasFloating: (address: string) => boolean;
  /** Names of keypairs and ids of security groups that are mirrored. */
  readonly hasKey: (name: string) => boolean;
  readonly hasPolicy: (groupId: string) => boolean;
  /** Whether the network holds machines to policies. */
  readonly hasEnforcement: boolean;
  readonly takenClaims: (name: string) => boolean;
  /** Whether the Secret of spec.ceph is there, with all its keys. */
  readonly hasCephKey: boolean;
}

/** Of image data through Glance and over a network of one gigabit. */
const BYTES_PER_SECOND = 80 * 2 ** 20;
const FOR_EACH_SECONDS = 20;
const MOST_LINES = 64;

interface Lines {
  readonly kept: string[];
  readonly changed: string[];
  readonly impossible: string[];
}

/** What would become of a server; `impossible` is empty when it can be moved. */
export function planOf(name: string, source: SourceServer, ground: PlanGround): ServerPlan {
  const lines: Lines = { kept: [], changed: [], impossible: [] };
  for (const say of [sayState, sayDisks, saySize, sayNetwork, sayPolicies, sayIdentity]) say(lines, source, ground, name);
  const bytes = source.disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const cut = (list: readonly string[]): string[] => list.slice(0, MOST_LINES).map((line) => line.slice(0, 512));
  return { kept: cut(lines.kept), changed: cut(lines.changed), impossible: cut(lines.impossible), bytes, seconds: Math.ceil(bytes / BYTES_PER_SECOND) + FOR_EACH_SECONDS * source.disks.length };
}

/** The name of a disk's claim: of the machine, and never one that the mirror of a volume has. */
export function claimName(machine: string, disk: string): string {
  return `moved-${machine}-${disk}`;
}

/** Whether the first interface keeps its address. */
export function keepsAddress({ network }: SourceInterface, { map }: OpenStackMigrationSpec): boolean {
  return map?.networks?.[network?.name ?? ''] !== 'default';
}

/** Whether a volume, or the disk of an image, is read where it is. */
export function isInCeph({ ceph }: OpenStackMigrationSpec, volume: Pick<Volume, 'type'> | undefined): boolean {
  if (volume === undefined) return ceph?.serverPool !== undefined;
  return ceph !== undefined && (ceph.volumeTypes === undefined || ceph.volumeTypes.includes(volume.type ?? ''));
}

/** The floating address that can come along: a machine has one. */
export function comingAddress({ floating }: SourceInterface, hasFloating: PlanGround['hasFloating']): SourceInterface['floating'][number] | undefined {
  return floating.find(({ address }) => hasFloating(address));
}

function sayState({ kept, impossible }: Lines, { server: { status, task, locked, lockedReason } }: SourceServer): void {
  if (task !== undefined) impossible.push(`the cloud is at it (${task}): it is looked at again`);
  else if (status !== 'ACTIVE' && status !== 'SHUTOFF') impossible.push(`the server is ${status}: start or stop it first`);
  else kept.push(`power state: ${status === 'ACTIVE' ? 'runs' : 'stopped'}`);
  if (locked) impossible.push(`the server is locked${lockedReason === undefined ? '' : ` (${lockedReason})`}: unlock it first`);
}

function sayDisks({ kept, changed, impossible }: Lines, source: SourceServer, { spec, classOf, hasClass, takenClaims, hasCephKey }: PlanGround, name: string): void {
  if (source.disks.length === 0) impossible.push('it has no disk that could be moved');
  if (source.disks.length > MOST_DISKS) impossible.push(`it has ${source.disks.length} disks: a machine has ${MOST_DISKS} at most`);
  for (const { name: disk, volume, sizeBytes } of source.disks) {
    const title = volume === undefined ? 'disk of the image' : `volume ${volume.name || volume.id}`;
    const storage = classOf(volume?.type);
    const inCeph = isInCeph(spec, volume);
    if (sizeBytes === 0) impossible.push(`${title}: its size is not known, neither from the flavor nor from the image`);
    if (volume?.encrypted === true) impossible.push(`${title} is encrypted, with keys that the cloud does not tell`);
    if ((volume?.attachments.length ?? 0) > 1) impossible.push(`${title} is attached to other servers too`);
    if (takenClaims(claimName(name, disk))) impossible.push(`${title}: there is a PersistentVolumeClaim ${claimName(name, disk)} already, which is not of this migration`);
    if (storage === undefined) impossible.push(`${title}: no StorageClass is the default; name one in storageClassName${volume?.type === undefined ? '' : ` or map.volumeTypes.${volume.type}`}`);
    else if (!hasClass(storage)) impossible.push(`${title}: there is no StorageClass ${storage}`);
    else kept.push(`${title}: ${formatBytes(sizeBytes)}, claim ${claimName(name, disk)} of StorageClass ${storage} (${spec.volumeMode ?? 'Filesystem'})${inCeph ? `, read from Ceph${volume === undefined ? ' once the server has stopped' : ''}` : ''}`);
    if (inCeph && !hasCephKey) impossible.push(`${title}: there is no Secret ${spec.ceph?.secret} with the keys user and key, by which it could be read from Ceph`);
  }
  if (hasPassingDisks(source)) changed.push('ephemeral disk and swap of the flavor: not here; the cloud lets nobody copy them');
}

function saySize({ kept, impossible }: Lines, { size, flavorName }: SourceServer, { spec: { map }, hasType }: PlanGround): void {
  const mapped = map?.flavors?.[flavorName];
  if (mapped === undefined && size === undefined) impossible.push(`flavor ${flavorName} is gone, and its size is not known: map it to an InstanceType in map.flavors`);
  else if (mapped !== undefined && !hasType(mapped)) impossible.push(`there is no InstanceType ${mapped}, to which flavor ${flavorName} is mapped`);
  else kept.push(mapped === undefined ? `flavor ${flavorName}: ${size?.vcpus} CPUs, ${size?.memoryMiB}Mi` : `flavor ${flavorName}: InstanceType ${mapped}`);
}

function sayNetwork({ kept, changed, impossible }: Lines, { interfaces }: SourceServer, { spec, hasPool, hasFloating }: PlanGround): void {
  const [first, ...others] = interfaces;
  if (first === undefined) changed.push('interfaces: none there, one here');
  for (const { port, network } of others) changed.push(`interface ${port.macAddress} on network ${network?.name ?? port.networkId}: not here; a machine has one interface`);
  if (first === undefined) return;
  kept.push(`MAC address ${first.port.macAddress}`);
  const { fixed, network, port, floating } = first;
  const comes = comingAddress(first, hasFloating);
  const title = network?.name ?? port.networkId;
  if (fixed === undefined) changed.push(`address: none of IPv4 on network ${title}; it gets one of the cluster's pools`);
  else if (!keepsAddress(first, spec)) changed.push(`fixed address ${fixed.address}: another one, of the cluster's pools, as network ${title} is mapped to default`);
  else if (fixed.subnet === undefined || !hasPool(fixed.subnet.id)) impossible.push(`fixed address ${fixed.address}: no IPPool shows subnet ${fixed.subnet?.name || fixed.subnet?.cidr || 'unknown'}, as the tenant's problems tell; map.networks.${title}: default takes another address`);
  else kept.push(`fixed address ${fixed.address}`);
  for (const { address } of port.addresses.filter((one) => one.address.includes(':'))) changed.push(`address ${address}: not here; machines have IPv4`);
  if (comes !== undefined) kept.push(`floating address ${comes.address}: taken from the port in the cloud, and the machine's from then on`);
  for (const { address } of floating.filter((one) => one !== comes)) changed.push(`floating address ${address}: stays with the port in the cloud; ${comes === undefined ? 'with an IPPool of assignmentMode: Manual that has it, it would come along' : 'a machine has one'}`);
  for (const pair of port.allowedPairs) changed.push(`allowed address pair ${pair.address}: not here`);
}

function sayPolicies({ kept, changed }: Lines, { securityGroups, interfaces }: SourceServer, { hasPolicy, hasEnforcement }: PlanGround): void {
  if (interfaces[0]?.port.portSecurity === false) changed.push('port security is off there; here a machine sends from its own address alone');
  for (const group of securityGroups) {
    const problem = securityGroupProblem(group);
    if (!hasPolicy(group.id)) changed.push(`security group ${group.name}: not here, as the tenant does not show it`);
    else if (problem !== undefined) changed.push(problem);
    else if (!hasEnforcement) changed.push(`security group ${group.name}: a policy here, to which this cluster's network holds nobody`);
    else kept.push(`security group ${group.name}`);
  }
}

function sayIdentity({ kept, changed }: Lines, { server, group }: SourceServer, { spec, hasKey }: PlanGround, name: string): void {
  const { keyName, metadata, availabilityZone } = server;
  if (keyName !== undefined && hasKey(keyName)) kept.push(`keypair ${keyName}`);
  else if (keyName !== undefined) changed.push(`keypair ${keyName}: not here, as the tenant does not show it; what the guest has on its disk stays`);
  const userData = spec.userData?.find((one) => one.server === name);
  if (userData === undefined) changed.push('user data: clouds show it to their admins alone; name a Secret in userData where the guest asks for it at each boot');
  else kept.push(`user data, of Secret ${userData.secret}`);
  kept.push(`id for cloud-init: ${server.id}, so that nothing is set up anew`);
  if (Object.keys(metadata).length > 0) kept.push(`metadata: ${Object.keys(metadata).sort().join(', ')}`);
  if (group !== undefined) kept.push(`server group ${group.name} (${group.policy}), among machines that have moved`);
  if (availabilityZone !== undefined) changed.push(`availability zone ${availabilityZone}: shown to the guest; where it runs is for nodeSelector and affinity`);
}
