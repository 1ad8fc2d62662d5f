import { isDeepStrictEqual } from 'node:util';
import type { StorageBackendSpec } from '../../../api/storage-backend.ts';
import { missing } from '../../../kube/api-error.ts';
import type { KubeClient } from '../../../kube/client.ts';
import { conditionOf, isTrue } from '../../../kube/conditions.ts';
import { namespaces, secrets } from '../../../kube/core.ts';
import { storageBackends, type StorageBackend } from '../../../kube/yadokari.ts';
import { setTimeout as delay } from 'node:timers/promises';
import { LocalError } from '../../errors.ts';
import type { ClusterLayout } from '../../layout.ts';
import type { NetworkPlan } from '../../network-plan.ts';
import type { StorageServer } from '../record.ts';
import { CEPH_USER, cephBackend, cephKey } from './ceph-server.ts';
import { nfsBackend } from './nfs-server.ts';

const SYSTEM = 'yadokari-system';
const FIELD_MANAGER = 'yadokari-storage-add';
const READY_MS = 180_000;
const LOOK_MS = 200;

export interface ServerBackend {
  readonly client: KubeClient;
  readonly server: StorageServer;
  readonly plan: NetworkPlan;
  readonly signal: AbortSignal;
}

/** Throws LocalError `BackendTaken` when there is a StorageBackend of this name that is not of the cluster's own server. */
export async function mustBeFree({ client, server, plan, signal }: ServerBackend): Promise<void> {
  const known = await client.get(storageBackends, { name: server }, signal).catch(missing);
  if (known === undefined || isOurs(known.spec, specOf(server, plan))) return;
  throw new LocalError('BackendTaken', `There is a StorageBackend ${server} already, of a server of somebody else; delete it, or go on with it: \`kubectl get storagebackend ${server} -o yaml\`.`);
}

/** Tells the cluster of its server; returns when volumes can be made there. */
export async function applyBackend(options: ServerBackend & { readonly layout: ClusterLayout }): Promise<StorageBackend> {
  const { client, server, plan, layout, signal } = options;
  const how = { fieldManager: FIELD_MANAGER, signal, force: true };
  if (server === 'ceph') {
    const key = await cephKey(layout);
    if (key === undefined) throw new LocalError('NoCephKey', 'Ceph was not made to its end; say it again.', { disposition: 'retry' });
    await client.apply(namespaces, { metadata: { name: SYSTEM } }, how);
    await client.apply(secrets, { metadata: { name: server, namespace: SYSTEM }, data: { user: base64(CEPH_USER), key: base64(key) } }, how);
  }
  await client.apply(storageBackends, { metadata: { name: server }, spec: specOf(server, plan) }, how);
  return untilReady(options);
}

async function untilReady({ client, server, signal }: ServerBackend): Promise<StorageBackend> {
  for (const deadline = Date.now() + READY_MS; ; await delay(LOOK_MS, undefined, { signal })) {
    const backend = await client.get(storageBackends, { name: server }, signal);
    if (isTrue(backend.status?.conditions, 'Ready') && (backend.status?.storageClasses ?? []).length > 0) return backend;
    if (Date.now() > deadline) throw new LocalError('BackendNotReady', `StorageBackend ${server} is not ready after ${READY_MS / 1000} s: ${conditionOf(backend.status?.conditions, 'Ready')?.message ?? 'nobody says why'}`, { disposition: 'retry' });
  }
}

function specOf(server: StorageServer, plan: NetworkPlan): StorageBackendSpec {
  return server === 'ceph' ? cephBackend(plan, { name: 'ceph', namespace: SYSTEM }) : nfsBackend(plan);
}

/** Where it is says whose it is; the rest is for people to change. */
function isOurs(found: StorageBackendSpec, wanted: StorageBackendSpec): boolean {
  return isDeepStrictEqual(found.ceph?.monitors, wanted.ceph?.monitors) && found.nfs?.managed?.server === wanted.nfs?.managed?.server;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
