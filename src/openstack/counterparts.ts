/** Why something of a cloud has no counterpart in Kubernetes, or not all of it has: undefined where it has one. */
import type { Flavor, Keypair } from './compute/types.ts';
import type { Image } from './image/port.ts';
import { isPrivate } from './network/cidr.ts';
import { protocolOf } from './network/protocol.ts';
import type { Network, SecurityGroup, SecurityGroupRule, Subnet } from './network/types.ts';

/** What the moves of servers have made in the cloud, and remove again, begins with it and eight digits. */
export const EXPORT_PREFIX = 'yadokari';
const EXPORT = new RegExp(`^${EXPORT_PREFIX}-[0-9a-f]{8}-`);

/** Whether it is the passing copy of a disk, which nobody needs to see. */
export function isPassing({ name }: { readonly name: string }): boolean {
  return EXPORT.test(name);
}

/** What a VirtualMachineImage may be. */
const FORMATS: readonly string[] = ['qcow2', 'raw', 'iso'];
const [LEAST_MIB, MOST_MIB, MOST_CPUS] = [64, 16 * 2 ** 20, 512];

export function flavorProblem({ name, vcpus, memoryMiB }: Flavor): string | undefined {
  if (memoryMiB >= LEAST_MIB && memoryMiB <= MOST_MIB && vcpus >= 1 && vcpus <= MOST_CPUS) return undefined;
  return `flavor ${name} has ${vcpus} CPUs and ${memoryMiB} MiB: an InstanceType has 1 to ${MOST_CPUS} CPUs, and 64Mi to 16Ti`;
}

export function imageProblem({ id, name, status, diskFormat }: Image): string | undefined {
  if (diskFormat === undefined) return `image ${name || id} is ${status}, and has no format yet`;
  return FORMATS.includes(diskFormat) ? undefined : `image ${name || id} is of format ${diskFormat}: a VirtualMachineImage is one of ${FORMATS.join(', ')}`;
}

export function keypairProblem({ name, type }: Keypair): string | undefined {
  return type === 'ssh' ? undefined : `keypair ${name} is of type ${type}: only those for SSH are of use here`;
}

/** Without what the addresses of a cluster have to do with it. */
export function subnetProblem(subnet: Subnet, network: Network | undefined): string | undefined {
  const title = subnetTitle(subnet);
  if (network?.external === true) return `${title} is of network ${network.name}, which is external: as an IPPool it would change how pods reach it`;
  return isPrivate(subnet.cidr) ? undefined : `${title} is not private: as an IPPool it would change how pods reach it`;
}

export function subnetTitle({ id, name, cidr }: Subnet): string {
  return `subnet ${name || id} (${cidr})`;
}

/** What of it a NetworkPolicy cannot say. */
export function securityGroupProblem({ name, stateful, rules }: SecurityGroup): string | undefined {
  const left = rules.toSorted((a, b) => (a.id < b.id ? -1 : 1)).flatMap((rule) => ruleProblem(rule) ?? []);
  const problems = [...(stateful ? [] : ['it is stateless, and a policy keeps track of connections']), ...left];
  return problems.length === 0 ? undefined : `security group ${name}: ${problems.join('; ')}`;
}

export function ruleProblem(rule: SecurityGroupRule): string | undefined {
  if (rule.remoteAddressGroupId !== undefined) return `rule ${rule.id} is of an address group, which has no counterpart here: what it allows is not allowed here`;
  return protocolOf(rule) === null ? `rule ${rule.id} is of protocol ${rule.protocol ?? ''}, which is not known here: what it allows is not allowed here` : undefined;
}
