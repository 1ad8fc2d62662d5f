import { database, shared, type ConfSource } from './common.ts';
import type { Sections } from './ini.ts';

export function placementConf(source: ConfSource): Sections {
  return { DEFAULT: { use_stderr: true }, placement_database: database('placement'), api: { auth_strategy: 'keystone' }, ...shared(source, 'placement') };
}
