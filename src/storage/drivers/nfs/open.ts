import { join } from 'node:path';
import { messageOf } from '../../../base/errors.ts';
import type { OpenBackend } from '../../port.ts';
import { NfsBackend } from './backend.ts';
import { ExportedSite } from './exported-site.ts';
import { ManagedSite } from './managed-site.ts';
import { NfsNodeVolumes } from './node.ts';
import { parseSettings } from './settings.ts';

export const openNfs: OpenBackend = async ({ node, stateDirectory, settings: given, log, stateOf = async () => 'ready' }) => {
  const settings = parseSettings(given);
  const site = settings.kind === 'managed' ? new ManagedSite(settings, node) : new ExportedSite(settings, join(stateDirectory, 'nfs'), node);
  // What the folder can do is known before it is asked for, if that can be.
  if (settings.kind === 'managed') await site.ready().catch((error: unknown) => log.warn({ error: messageOf(error) }, 'no volumes can be made yet'));
  const { volumes, snapshots } = site;
  return { backend: new NfsBackend({ site, volumes, snapshots, stateOf }), volumes: new NfsNodeVolumes(settings, node), [Symbol.asyncDispose]: () => site.close() };
};
