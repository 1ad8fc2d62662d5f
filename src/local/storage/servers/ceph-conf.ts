const GI = 2 ** 30;

export interface CephPlace {
  /** All that the cluster keeps. */
  readonly folder: string;
  /** Of this machine; monitors and disks are reached there. */
  readonly address: string;
  /** Of the monitor: the newer protocol's, and the older one's, which every client speaks. */
  readonly ports: { readonly v2: number; readonly v1: number };
}

/** The file for daemons and for the administrator's commands. Nothing is said to files: daemons run in front of whoever keeps what they say. */
export function cephConf({ folder, address, ports: { v2, v1 } }: CephPlace, fsid: string): string {
  return `[global]
fsid = ${fsid}
mon_host = [v2:${address}:${v2},v1:${address}:${v1}]
public_addr = ${address}
run_dir = ${folder}
admin_socket =
log_file =
log_to_stderr = true
err_to_stderr = true
mon_cluster_log_file =
crash_dir = ${folder}/crash
pid_file =
keyring = ${folder}/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_crush_chooseleaf_type = 0
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_allow_pool_delete = true
mon_max_pg_per_osd = 1000
auth_allow_insecure_global_id_reclaim = false
[mon]
mon_data = ${folder}/mon
mon_data_avail_warn = 1
mon_data_avail_crit = 0
[mgr]
mgr_data = ${folder}/mgr
keyring = ${folder}/mgr/keyring
mgr_initial_modules =
[osd]
osd_data = ${folder}/osd
keyring = ${folder}/osd/keyring
osd_objectstore = bluestore
bluestore_block_size = ${16 * GI}
osd_memory_target = ${GI}
osd_client_watch_timeout = 10
[mds]
mds_data = ${folder}/mds
keyring = ${folder}/mds/keyring
[client]
log_to_stderr = false
`;
}
