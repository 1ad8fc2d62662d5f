import { INSIDE } from '../place.ts';
import { credentials, database, packaged, shared, TRANSPORT, type ConfSource } from './common.ts';
import type { Sections } from './ini.ts';

/** The bridge of the guests of libvirt, in the namespace of its host: every port is on it. */
export const GUEST_BRIDGE = 'guests';

/** Networks, routers and ports are kept; nobody carries packets. */
export function neutronConf(source: ConfSource): Sections {
  return {
    DEFAULT: {
      bind_host: source.address, bind_port: source.ports.neutron, core_plugin: 'ml2', service_plugins: 'router', transport_url: TRANSPORT, use_stderr: true,
      api_paste_config: packaged('usr/share/neutron-common/api-paste.ini'), state_path: `${INSIDE}/neutron`,
      api_workers: 0, dhcp_agent_notification: false,
      notify_nova_on_port_status_changes: true, notify_nova_on_port_data_changes: true,
    },
    database: database('neutron'),
    ml2: { type_drivers: 'flat,vlan,vxlan,local', tenant_network_types: 'vxlan', mechanism_drivers: 'yado', extension_drivers: 'port_security' },
    ml2_type_vxlan: { vni_ranges: '1:2000' },
    ml2_type_flat: { flat_networks: '*' },
    quotas: { quota_port: 5000, quota_security_group: 200, quota_security_group_rule: 1000, quota_floatingip: 200, quota_network: 200, quota_subnet: 200 },
    nova: credentials(source, 'nova'),
    ...shared(source, 'neutron'),
  };
}
