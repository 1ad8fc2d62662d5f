import type { KubeObject } from '../kube/object.ts';

interface Named {
  readonly name: string;
}

interface Fields {
  readonly storageClassName?: string;
  readonly filesystems?: readonly (Named & { readonly persistentVolumeClaim?: string })[];
  readonly disks?: readonly (Named & { readonly persistentVolumeClaim?: string })[];
  readonly volumes?: readonly (Named & { readonly persistentVolumeClaim?: { readonly claimName: string } })[];
  readonly containers?: readonly { readonly volumeMounts?: readonly Named[] }[];
}

type Example = KubeObject & { readonly spec?: Fields };

/** An example without claims of some StorageClasses, and all that uses them. */
export function withoutClasses(objects: readonly KubeObject[], isLeftOut: (storageClass: string) => boolean): { readonly shown: readonly KubeObject[]; readonly leftOut: readonly string[] } {
  const examples = objects as readonly Example[];
  const leftOut = examples.filter(({ kind, spec }) => kind === 'PersistentVolumeClaim' && isLeftOut(spec?.storageClassName ?? '')).map(({ metadata }) => metadata.name);
  if (leftOut.length === 0) return { shown: objects, leftOut };
  const rest = examples.filter(({ kind, metadata }) => kind !== 'PersistentVolumeClaim' || !leftOut.includes(metadata.name));
  return { shown: rest.map((object) => withoutClaims(object, leftOut)), leftOut };
}

function withoutClaims(object: Example, claims: readonly string[]): KubeObject {
  const { spec } = object;
  if (spec === undefined) return object;
  const stays = ({ persistentVolumeClaim }: { readonly persistentVolumeClaim?: string }): boolean => persistentVolumeClaim === undefined || !claims.includes(persistentVolumeClaim);
  const gone = new Set(spec.volumes?.filter(({ persistentVolumeClaim }) => claims.includes(persistentVolumeClaim?.claimName ?? '')).map(({ name }) => name));
  return {
    ...object,
    spec: {
      ...spec,
      ...(spec.filesystems === undefined ? {} : { filesystems: spec.filesystems.filter(stays) }),
      ...(spec.disks === undefined ? {} : { disks: spec.disks.filter(stays) }),
      ...(spec.volumes === undefined ? {} : { volumes: spec.volumes.filter(({ name }) => !gone.has(name)) }),
      ...(spec.containers === undefined || gone.size === 0 ? {} : { containers: spec.containers.map((container) => ({ ...container, volumeMounts: container.volumeMounts?.filter(({ name }) => !gone.has(name)) ?? [] })) }),
    },
  } as KubeObject;
}
