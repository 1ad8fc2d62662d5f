import { ANNOTATION_DETAILS } from '../../../api/open-stack-names.ts';
import { ipPools, type IPPool } from '../../../network/calico/kinds.ts';
import { subnetProblem, subnetTitle } from '../../../openstack/counterparts.ts';
import { overlaps, prefixOf } from '../../../openstack/network/cidr.ts';
import type { Subnet } from '../../../openstack/network/types.ts';
import { labelOfId, NAME_LIMIT, objectNameOf } from '../names.ts';
import { defined } from '../patch.ts';
import { impossible, isObserved, wanted, type Target } from '../target.ts';

/** Calico's own sizes of blocks, for subnets that are not smaller. */
const BLOCKS = { 4: 26, 6: 122 } as const;

/**
 * Subnets are IPPools that give no addresses. Pods reach what lies in a pool without translation of addresses, also in
 * a disabled one: so there are none of subnets that are others' too.
 */
export const subnets: Target<Subnet, IPPool> = {
  name: 'subnets',
  source: 'subnets',
  resource: ipPools,
  isOn: (spec) => isObserved(spec.networks),
  baseName: ({ name, id }, { metadata }) => objectNameOf(`${metadata.name}-${metadata.namespace ?? ''}-${name || id}`, id, NAME_LIMIT),
  originalName: ({ name }) => name,
  nameLimit: NAME_LIMIT,
  whole: new Set(),
  isFixed: (paths) => paths.includes('spec.cidr'),
  map(subnet, { state, reserved }) {
    const { cidr, version, gateway, dhcp, pools, dnsServers, routes, addressMode, networkId } = subnet;
    const network = state.networks.get(networkId);
    const problem = subnetProblem(subnet, network);
    if (problem !== undefined) return impossible(problem);
    const kept = reserved.find((range) => range.subnet === labelOfId(subnet.id));
    if (kept !== undefined) return impossible(`${subnetTitle(subnet)} is ${kept.what}, which is kept for machines that were moved here`);
    const taken = reserved.find((range) => overlaps(range.cidr, cidr));
    if (taken !== undefined) {
      const overlap = `${subnetTitle(subnet)} overlaps ${taken.what} (${taken.cidr})`;
      return impossible(`${overlap}: there is no IPPool of it`, overlap);
    }
    const details = defined({ network: network?.name, networkId, gateway, dhcp, pools, dnsServers, routes: routes.length === 0 ? undefined : routes, addressMode });
    return wanted({
      annotations: { [ANNOTATION_DETAILS]: JSON.stringify(details) },
      body: { spec: { cidr, blockSize: Math.max(BLOCKS[version], prefixOf(cidr)), disabled: true, nodeSelector: '!all()', natOutgoing: false, ipipMode: 'Never', vxlanMode: 'Never', disableBGPExport: true } },
    });
  },
};
