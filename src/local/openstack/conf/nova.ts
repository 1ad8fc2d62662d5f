import { INSIDE, REGION, zones } from '../place.ts';
import { credentials, database, packaged, shared, TRANSPORT, type ConfSource } from './common.ts';
import type { Sections } from './ini.ts';

/** libvirt's socket, which is the default one, in the namespaces of this OpenStack. */
export const LIBVIRT_SOCKET = `${INSIDE}/libvirt/run/libvirt-sock`;

export function novaConf(source: ConfSource): Sections {
  return {
    DEFAULT: {
      my_ip: source.address, transport_url: TRANSPORT, state_path: `${INSIDE}/nova`, use_stderr: true, enabled_apis: 'osapi_compute',
      osapi_compute_listen: source.address, osapi_compute_listen_port: source.ports.nova, compute_driver: 'fake_host.FakeHostDriver',
      default_availability_zone: zones.fake, default_schedule_zone: source.zone, allow_resize_to_same_host: true,
      // Nobody plugs ports and says so.
      vif_plugging_timeout: 0, vif_plugging_is_fatal: false,
      // Nobody changes anything behind Nova's back: it need not look.
      sync_power_state_interval: -1, heal_instance_info_cache_interval: -1, running_deleted_instance_action: 'noop', force_config_drive: true, force_raw_images: true,
    },
    api: { auth_strategy: 'keystone', max_limit: 1000 },
    wsgi: { api_paste_config: packaged('usr/share/nova-common/api-paste.ini') },
    api_database: database('nova_api'),
    database: database('nova'),
    conductor: { workers: 1 },
    scheduler: { workers: 1, discover_hosts_in_cells_interval: -1 },
    quota: { instances: 2000, cores: 4000, ram: 8_000_000, server_groups: 100, server_group_members: 1000, key_pairs: 200 },
    glance: { endpoint_override: `http://${source.address}:${source.ports.glance}` },
    vnc: { enabled: false },
    libvirt: {
      virt_type: 'qemu', cpu_mode: 'none', images_type: 'raw', inject_partition: -2, nfs_mount_point_base: `${INSIDE}/nova/mnt`,
      connection_uri: `qemu+unix:///system?socket=${LIBVIRT_SOCKET}`, num_pcie_ports: 12,
    },
    cinder: { ...credentials(source, 'nova'), os_region_name: REGION },
    placement: credentials(source, 'nova'),
    neutron: credentials(source, 'nova'),
    service_user: { ...credentials(source, 'nova'), send_service_user_token: true },
    ...shared(source, 'nova'),
  };
}
