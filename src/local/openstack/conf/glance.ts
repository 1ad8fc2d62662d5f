import { INSIDE } from '../place.ts';
import { database, packaged, shared, type ConfSource } from './common.ts';
import type { Sections } from './ini.ts';

export function glanceConf(source: ConfSource): Sections {
  return {
    DEFAULT: { bind_host: source.address, bind_port: source.ports.glance, workers: 0, enabled_backends: 'file:file', use_stderr: true },
    database: database('glance'),
    glance_store: { default_backend: 'file' },
    file: { filesystem_store_datadir: `${INSIDE}/images` },
    os_glance_tasks_store: { filesystem_store_datadir: `${INSIDE}/image-tasks` },
    os_glance_staging_store: { filesystem_store_datadir: `${INSIDE}/image-staging` },
    paste_deploy: { flavor: 'keystone', config_file: packaged('usr/share/glance-common/glance-api-paste.ini') },
    ...shared(source, 'glance'),
  };
}
