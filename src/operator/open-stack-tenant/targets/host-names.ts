import { endpointSlices, type EndpointSlice } from '../../../kube/core.ts';
import type { Server } from '../../../openstack/compute/types.ts';
import { hostNameOf, NAME_LIMIT, objectNameOf } from '../names.ts';
import { impossible, wanted, type Target } from '../target.ts';
import { addressOf, servers } from './servers.ts';

/** Servers have names in the cluster's DNS: each an EndpointSlice of the headless Service that the tenant names. */
export const hostNames: Target<Server, EndpointSlice> = {
  name: 'hostNames',
  source: 'servers',
  resource: endpointSlices,
  isOn: ({ dns }) => dns !== undefined,
  // Where a server has no address there is nothing to name.
  isChosen: (server, spec) => addressOf(server) !== undefined && servers.isChosen?.(server, spec) !== false,
  baseName: ({ name, id }, { metadata }) => `${metadata.name}-${objectNameOf(name, id, NAME_LIMIT - metadata.name.length - 1)}`,
  originalName: ({ name }) => name,
  nameLimit: NAME_LIMIT,
  whole: new Set(['endpoints']),
  isFixed: (paths) => paths.includes('addressType'),
  map(server, { tenant: { spec: { dns } } }) {
    const address = addressOf(server);
    if (address === undefined || dns === undefined) return impossible(`server ${server.name || server.id} has no address to be named`);
    return wanted({
      labels: { 'kubernetes.io/service-name': dns.subdomain, 'endpointslice.kubernetes.io/managed-by': 'openstack.yadokari.dev' },
      body: {
        addressType: address.version === 4 ? 'IPv4' : 'IPv6',
        endpoints: [{ addresses: [address.address], hostname: hostNameOf(server), conditions: { ready: server.status === 'ACTIVE' } }],
      },
    });
  },
};
