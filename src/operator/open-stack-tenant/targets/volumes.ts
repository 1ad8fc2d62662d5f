import { ANNOTATION_DETAILS, OPENSTACK_VOLUME_DRIVER } from '../../../api/open-stack-names.ts';
import { persistentVolumeClaims, type PersistentVolumeClaim } from '../../../kube/core.ts';
import { persistentVolumes, type PersistentVolume } from '../../../kube/storage.ts';
import type { OpenStackTenant } from '../../../kube/yadokari.ts';
import { isPassing } from '../../../openstack/counterparts.ts';
import type { Volume } from '../../../openstack/volume/port.ts';
import { digestOf, NAME_LIMIT, objectNameOf } from '../names.ts';
import { defined } from '../patch.ts';
import { impossible, isObserved, wanted, type Target } from '../target.ts';

const modesOf = ({ multiattach }: Volume): readonly string[] => [multiattach ? 'ReadWriteMany' : 'ReadWriteOnce'];

/** Nobody else has such a name: neither object can then be bound to one that is not of this volume. */
export function volumeName({ metadata: { name, namespace = '' } }: OpenStackTenant, id: string): string {
  return `openstack-${digestOf(`${namespace}/${name}`, 8)}-${id}`;
}

/** Claims are made first, and choose the name. Kubernetes lets them grow only in classes that have a driver. */
export const claims: Target<Volume, PersistentVolumeClaim> = {
  name: 'claims',
  source: 'volumes',
  resource: persistentVolumeClaims,
  isOn: (spec) => isObserved(spec.volumes),
  isChosen: (volume) => !isPassing(volume),
  baseName: ({ name, id }) => objectNameOf(name, id, NAME_LIMIT),
  originalName: ({ name }) => name,
  nameLimit: NAME_LIMIT,
  whole: new Set(),
  createOnly: true,
  map: (volume, { tenant }) => wanted({
    body: { spec: { accessModes: modesOf(volume), volumeMode: 'Block', storageClassName: '', volumeName: volumeName(tenant, volume.id), resources: { requests: { storage: `${volume.sizeGiB}Gi` } } } },
  }),
};

/** Volumes are PersistentVolumes that nothing attaches or removes. */
export const volumes: Target<Volume, PersistentVolume> = {
  name: 'volumes',
  source: 'volumes',
  resource: persistentVolumes,
  isOn: (spec) => isObserved(spec.volumes),
  isChosen: (volume) => !isPassing(volume),
  baseName: ({ id }, tenant) => volumeName(tenant, id),
  originalName: ({ name }) => name,
  nameLimit: NAME_LIMIT,
  whole: new Set(),
  isFixed: (paths) => paths.some((path) => path.startsWith('spec.csi') || path === 'spec.volumeMode'),
  map(volume, { tenant, mirrorOf }, existing) {
    const claim = mirrorOf('claims', volume.id);
    if (claim === undefined) return impossible(`volume ${volume.name || volume.id} has no claim here yet`);
    const { id, status, type, bootable, encrypted, availabilityZone, snapshotId, metadata } = volume;
    const details = defined({ status, type, bootable, encrypted, availabilityZone, snapshotId, metadata: Object.keys(metadata).length === 0 ? undefined : metadata });
    return wanted({
      annotations: { [ANNOTATION_DETAILS]: JSON.stringify(details) },
      body: {
        spec: {
          // Without a class, which the API server keeps as no field at all.
          capacity: { storage: `${volume.sizeGiB}Gi` }, accessModes: modesOf(volume), volumeMode: 'Block', persistentVolumeReclaimPolicy: 'Retain',
          claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace: tenant.metadata.namespace, name: claim.name, ...staleBinding(existing, claim.uid) },
          csi: { driver: OPENSTACK_VOLUME_DRIVER, volumeHandle: id },
        },
      },
    });
  },
};

/** A claim that was made anew cannot be bound while the volume is still the former one's. */
function staleBinding(existing: PersistentVolume | undefined, claimUid: string | undefined): object {
  const bound = existing?.spec.claimRef?.uid;
  return bound === undefined || claimUid === undefined || bound === claimUid ? {} : { uid: null, resourceVersion: null };
}
