import { INSIDE } from '../place.ts';
import { credentials, database, packaged, shared, TRANSPORT, type ConfSource } from './common.ts';
import type { Sections } from './ini.ts';

/** The one backend, and the volume type that asks for it. */
export const VOLUME_BACKEND = 'nfs1';

/** The driver of NFS, over a folder that is bound where the share would be mounted. */
export function cinderConf(source: ConfSource): Sections {
  return {
    DEFAULT: {
      my_ip: source.address, host: 'cinder1', transport_url: TRANSPORT, state_path: `${INSIDE}/cinder`, use_stderr: true, auth_strategy: 'keystone',
      api_paste_config: packaged('usr/share/cinder-common/api-paste.ini'), resource_query_filters_file: packaged('etc/cinder/resource_filters.json'),
      osapi_volume_listen: source.address, osapi_volume_listen_port: source.ports.cinder, osapi_volume_workers: 1,
      enabled_backends: VOLUME_BACKEND, default_volume_type: VOLUME_BACKEND, glance_api_servers: `http://${source.address}:${source.ports.glance}`,
      rootwrap_config: packaged('etc/cinder/rootwrap.conf'), quota_volumes: 1000, quota_snapshots: 1000, quota_gigabytes: 100_000,
    },
    [VOLUME_BACKEND]: {
      volume_backend_name: VOLUME_BACKEND, volume_driver: 'cinder.volume.drivers.nfs.NfsDriver', nfs_shares_config: `${INSIDE}/etc/shares`, nfs_mount_point_base: `${INSIDE}/cinder/mnt`,
      nas_secure_file_operations: false, nas_secure_file_permissions: false, nfs_snapshot_support: true,
      // Nova remembers the format of an attached volume, and a snapshot would make another of it: so it is the same before.
      nfs_qcow2_volumes: true,
    },
    database: database('cinder'),
    nova: credentials(source, 'nova'),
    service_user: { ...credentials(source, 'cinder'), send_service_user_token: true },
    ...shared(source, 'cinder'),
  };
}
