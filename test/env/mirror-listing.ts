import type { KubeClient } from '../../src/kube/client.ts';
import { persistentVolumeClaims, secrets } from '../../src/kube/core.ts';
import type { KubeObject, Resource } from '../../src/kube/object.ts';
import { persistentVolumes } from '../../src/kube/storage.ts';
import { instanceTypes, virtualMachineImages, virtualMachines } from '../../src/kube/yadokari.ts';
import { ipPools, networkPolicies } from '../../src/network/calico/kinds.ts';
import { CLOUD, type MirroredTenant, type Shown } from './mirrored.ts';

const KINDS = [virtualMachines, instanceTypes, virtualMachineImages, persistentVolumeClaims, persistentVolumes, ipPools, networkPolicies, secrets] as unknown as readonly Resource[];
const FRAME = new Set([`${CLOUD}tenant`, `${CLOUD}id`, `${CLOUD}namespace`, `${CLOUD}tenant-uid`]);
/** What Kubernetes itself says of the binding of volumes. */
const OWN_STATUS = new Set(['PersistentVolume', 'PersistentVolumeClaim']);

type Fields = Readonly<Record<string, unknown>>;

/** All objects that say that they mirror something of the tenant, as the API server has them. */
export async function listMirror(client: KubeClient, tenant: MirroredTenant): Promise<readonly KubeObject[]> {
  const { namespace, name } = tenant;
  const lists = KINDS.map(async (resource) => {
    const labelSelector = `${CLOUD}tenant=${name}${resource.namespaced ? '' : `,${CLOUD}namespace=${namespace}`}`;
    const { items } = await client.listAll(resource, { labelSelector, ...(resource.namespaced ? { namespace } : {}) });
    return items.map((object) => ({ ...object, kind: resource.kind }));
  });
  return (await Promise.all(lists)).flat();
}

/** An object without what is not the mirror's. */
export function shownBy(object: KubeObject): Shown {
  const { kind, metadata: { name, labels = {}, annotations = {} } } = object;
  const ours = Object.entries(labels).filter(([label]) => label.startsWith(CLOUD) && !FRAME.has(label));
  const { apiVersion: _v, kind: _k, metadata: _m, status, type: _t, ...body } = object as KubeObject & { readonly status?: Fields; readonly type?: string };
  return {
    kind, id: labels[`${CLOUD}id`] ?? '', name: withoutPrefix(name), labels: Object.fromEntries(ours), body: bodyOf(kind, body),
    annotations: Object.fromEntries(Object.entries(annotations).filter(([key]) => key.startsWith(CLOUD)).map(([key, value]) => [key, key.endsWith('/details') ? JSON.parse(value) as unknown : value])),
    ...(status === undefined || OWN_STATUS.has(kind) ? {} : { status: statusOf(kind, status) }),
  };
}

function bodyOf(kind: string, body: Fields): Fields {
  const { claimRef, volumeName = '', ...spec } = (body['spec'] ?? {}) as Fields & { readonly claimRef?: Fields; readonly volumeName?: string };
  if (kind === 'PersistentVolume') return { spec: { ...spec, claimRef: { namespace: claimRef?.['namespace'], name: claimRef?.['name'] } } };
  return kind === 'PersistentVolumeClaim' ? { spec: { ...spec, volumeName: withoutPrefix(volumeName) } } : body;
}

/** Without what the mirror does not take from the cloud: when conditions were seen, which restart was asked for here, and what becomes of images. */
function statusOf(kind: string, whole: Fields & { readonly conditions?: readonly Readonly<Record<string, string>>[] }): Fields {
  const { conditions = [], restartedAt: _, ...status } = whole;
  if (kind !== 'VirtualMachine') return status;
  return { ...status, conditions: conditions.map(({ type, status: is, reason, message }) => ({ type, status: is, reason, message })).sort((a, b) => ((a.type ?? '') < (b.type ?? '') ? -1 : 1)) };
}

/** PersistentVolumes are called after tenant and volume; what matters is that the claim means the same one. */
function withoutPrefix(name: string): string {
  return name.replace(/^openstack-[0-9a-f]{8}-/, '');
}
