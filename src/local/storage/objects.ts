import { setTimeout as delay } from 'node:timers/promises';
import { API_VERSION } from '../../api/group.ts';
import { missing } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { storageBackends } from '../../kube/yadokari.ts';
import type { Manifest } from '../control/system-objects.ts';
import type { StorageRecord } from './record.ts';

const RBAC = 'rbac.authorization.k8s.io';
const USER = 'yadokari:csi';
const CONTROLLER = 'yadokari-snapshot-controller';

/** What a cluster with volumes needs in its API, beside the definitions of snapshots. */
export function storageObjects({ kinds }: StorageRecord): readonly Manifest[] {
  return [...rights(), ...(kinds.includes('local') ? [nodesOwn] : [])];
}

/** The operator makes its classes. */
const nodesOwn: Manifest = { apiVersion: API_VERSION, kind: 'StorageBackend', metadata: { name: 'local' }, spec: { local: {}, classes: { default: true } } };

/** Resolves once the operator has made the classes of the nodes' own volumes: a claim that is made before the default class may wait for minutes. */
export async function untilClasses(client: KubeClient, signal: AbortSignal): Promise<void> {
  for (;; await delay(50, undefined, { signal })) {
    const backend = await client.get(storageBackends, { name: nodesOwn.metadata.name }, signal).catch(missing);
    // Somebody may have removed it: then there are none to wait for.
    if (backend === undefined || (backend.status?.storageClasses ?? []).length > 0) return;
  }
}

/** The drivers and sidecars of a cluster come with one certificate for all; snapshots are made by the cluster's own controller. */
function rights(): readonly Manifest[] {
  const rule = (apiGroup: string, resources: readonly string[], verbs: readonly string[]) => ({ apiGroups: [apiGroup], resources, verbs });
  const subjects = [{ apiGroup: RBAC, kind: 'User', name: USER }];
  const binding = (role: string) => ({ apiVersion: `${RBAC}/v1`, kind: 'ClusterRoleBinding', metadata: { name: `${USER}:${role}` }, roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: role }, subjects });
  return [
    ...[CONTROLLER, 'yadokari-csi', 'yadokari-csi-node'].map(binding),
    { apiVersion: `${RBAC}/v1`, kind: 'RoleBinding', metadata: { name: USER, namespace: 'yadokari-system' }, roleRef: { apiGroup: RBAC, kind: 'Role', name: 'yadokari-csi' }, subjects },
    { apiVersion: `${RBAC}/v1`, kind: 'Role', metadata: { name: CONTROLLER, namespace: 'kube-system' }, rules: [rule('coordination.k8s.io', ['leases'], ['get', 'create', 'update'])] },
    { apiVersion: `${RBAC}/v1`, kind: 'RoleBinding', metadata: { name: CONTROLLER, namespace: 'kube-system' }, roleRef: { apiGroup: RBAC, kind: 'Role', name: CONTROLLER }, subjects },
  ];
}
