import { openCephfs, openRbd } from './drivers/ceph/open.ts';
import { openDrbd } from './drivers/drbd/open.ts';
import { openLocal } from './drivers/local/open.ts';
import { openNfs } from './drivers/nfs/open.ts';
import type { OpenBackend } from './port.ts';

/** Every kind of backend that a driver can serve, by its name. */
export const backends = {
  local: openLocal,
  rbd: openRbd,
  cephfs: openCephfs,
  nfs: openNfs,
  drbd: openDrbd,
} as const satisfies Readonly<Record<string, OpenBackend>>;

export type BackendKind = keyof typeof backends;
