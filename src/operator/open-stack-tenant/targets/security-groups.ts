import { ANNOTATION_DETAILS, securityGroupLabel } from '../../../api/open-stack-names.ts';
import { networkPolicies, type NetworkPolicy, type PolicyRule } from '../../../network/calico/kinds.ts';
import { ruleProblem, securityGroupProblem } from '../../../openstack/counterparts.ts';
import { protocolOf } from '../../../openstack/network/protocol.ts';
import type { SecurityGroup, SecurityGroupRule } from '../../../openstack/network/types.ts';
import { NAME_LIMIT, objectNameOf } from '../names.ts';
import { defined } from '../patch.ts';
import { isObserved, wanted, type Target } from '../target.ts';

const WITH_PORTS = new Set<unknown>(['TCP', 'UDP', 'SCTP', 'UDPLite']);
const ALL_PORTS = { from: 1, to: 65_535 };

/** Security groups are NetworkPolicies of Calico, for whatever has the label of the group. */
export const securityGroups: Target<SecurityGroup, NetworkPolicy> = {
  name: 'securityGroups',
  source: 'securityGroups',
  resource: networkPolicies,
  isOn: (spec) => isObserved(spec.securityGroups),
  // Calico's own tools look for policies of the default tier under such names.
  baseName: ({ name, id }, { metadata }) => `default.${objectNameOf(`${metadata.name}-${name || id}`, id, NAME_LIMIT - 'default.'.length)}`,
  originalName: ({ name }) => name,
  nameLimit: NAME_LIMIT,
  whole: new Set(['spec']),
  map(group) {
    const { id, stateful, description } = group;
    const problem = securityGroupProblem(group);
    const rules = group.rules.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map((rule) => ({ rule, mapped: ruleOf(rule) }));
    const side = (direction: SecurityGroupRule['direction']): readonly PolicyRule[] => rules.flatMap(({ rule, mapped }) => (rule.direction === direction && typeof mapped !== 'string' ? [mapped] : []));
    return wanted({
      annotations: { [ANNOTATION_DETAILS]: JSON.stringify(defined({ stateful, description: description || undefined })) },
      body: { spec: { tier: 'default', selector: `${securityGroupLabel(id)} == ''`, types: ['Ingress', 'Egress'], ingress: side('ingress'), egress: side('egress') } },
      ...(problem === undefined ? {} : { problem }),
    });
  },
};

/** A rule of Calico's; or, in words, why there is none. */
export function ruleOf(rule: SecurityGroupRule): PolicyRule | string {
  const problem = ruleProblem(rule);
  if (problem !== undefined) return problem;
  const { id, direction, version, remoteCidr, remoteGroupId } = rule;
  const protocol = protocolOf(rule) ?? undefined;
  const remote = remoteCidr !== undefined ? { nets: [remoteCidr] } : remoteGroupId !== undefined ? { selector: `${securityGroupLabel(remoteGroupId)} == ''` } : undefined;
  const ports = WITH_PORTS.has(protocol) ? portsOf(rule) : undefined;
  // Ports are those of whoever is called.
  const [source, destination] = direction === 'ingress' ? [remote, ports] : [undefined, remote === undefined && ports === undefined ? undefined : { ...remote, ...ports }];
  return defined({ action: 'Allow', ipVersion: version, protocol, icmp: icmpOf(rule, protocol), source, destination, metadata: { annotations: { 'openstack.yadokari.dev/id': id } } });
}

function portsOf({ ports }: SecurityGroupRule): { readonly ports: readonly (number | string)[] } | undefined {
  if (ports === undefined || (ports.from <= ALL_PORTS.from && ports.to >= ALL_PORTS.to)) return undefined;
  return { ports: [ports.from === ports.to ? ports.from : `${ports.from}:${ports.to}`] };
}

/** Of ICMP the ports are type and code. A code that is left out is any, and so is a type. */
function icmpOf({ ports }: SecurityGroupRule, protocol: unknown): { readonly type: number; readonly code?: number } | undefined {
  if ((protocol !== 'ICMP' && protocol !== 'ICMPv6') || ports === undefined || ports.from < 0) return undefined;
  return ports.to < 0 || ports.to > 255 ? { type: ports.from } : { type: ports.from, code: ports.to };
}
