import { API_VERSION } from '../../api/group.ts';
import type { Manifest } from '../control/system-objects.ts';
import type { StorageRecord } from './record.ts';

const RBAC = 'rbac.authorization.k8s.io';
const SNAPSHOTS = 'snapshot.storage.k8s.io';
const USER = 'yadokari:csi';

/** What a cluster with volumes needs in its API, beside the definitions of snapshots. */
export function storageObjects({ kinds }: StorageRecord): readonly Manifest[] {
  return [...rights(), ...(kinds.includes('local') ? [nodesOwn] : [])];
}

/** The operator makes its classes. */
const nodesOwn: Manifest = { apiVersion: API_VERSION, kind: 'StorageBackend', metadata: { name: 'local' }, spec: { local: {}, classes: { default: true } } };

/** Just what the sidecars and the snapshot controller call. */
function rights(): readonly Manifest[] {
  const rule = (apiGroup: string, resources: readonly string[], verbs: readonly string[]) => ({ apiGroups: [apiGroup], resources, verbs });
  const read = ['get', 'list', 'watch'];
  const subjects = [{ apiGroup: RBAC, kind: 'User', name: USER }];
  return [
    {
      apiVersion: `${RBAC}/v1`, kind: 'ClusterRole', metadata: { name: USER },
      rules: [
        rule('', ['persistentvolumes'], [...read, 'create', 'patch', 'update', 'delete']),
        rule('', ['persistentvolumeclaims'], [...read, 'patch', 'update']),
        rule('', ['persistentvolumeclaims/status'], ['patch', 'update']),
        rule('', ['nodes', 'pods'], read),
        rule('', ['events'], [...read, 'create', 'patch', 'update']),
        rule('yadokari.dev', ['storagebackends'], ['get']),
        rule('yadokari.dev', ['storagebackends/status'], ['patch']),
        rule('storage.k8s.io', ['storageclasses', 'csinodes', 'volumeattachments', 'volumeattributesclasses'], read),
        rule(SNAPSHOTS, ['volumesnapshotclasses'], read),
        rule(SNAPSHOTS, ['volumesnapshots', 'volumesnapshotcontents'], [...read, 'create', 'patch', 'update', 'delete']),
        rule(SNAPSHOTS, ['volumesnapshots/status', 'volumesnapshotcontents/status'], ['patch', 'update']),
      ],
    },
    { apiVersion: `${RBAC}/v1`, kind: 'ClusterRoleBinding', metadata: { name: USER }, roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: USER }, subjects },
    { apiVersion: `${RBAC}/v1`, kind: 'Role', metadata: { name: USER, namespace: 'kube-system' }, rules: [rule('coordination.k8s.io', ['leases'], [...read, 'create', 'patch', 'update', 'delete'])] },
    // Keys of backends, and what drivers say of these.
    { apiVersion: `${RBAC}/v1`, kind: 'Role', metadata: { name: USER, namespace: 'yadokari-system' }, rules: [rule('', ['secrets'], ['get'])] },
    { apiVersion: `${RBAC}/v1`, kind: 'RoleBinding', metadata: { name: USER, namespace: 'yadokari-system' }, roleRef: { apiGroup: RBAC, kind: 'Role', name: USER }, subjects },
    { apiVersion: `${RBAC}/v1`, kind: 'RoleBinding', metadata: { name: USER, namespace: 'kube-system' }, roleRef: { apiGroup: RBAC, kind: 'Role', name: USER }, subjects },
  ];
}
