import { LABEL_MIGRATION } from '../../api/open-stack-names.ts';
import { missing } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { secrets, type PersistentVolumeClaim } from '../../kube/core.ts';
import type { Informer } from '../../kube/informer.ts';
import { keyFor } from '../../kube/object.ts';
import { storageClasses } from '../../kube/storage.ts';
import type { InstanceType, OpenStackMigration, OpenStackTenant } from '../../kube/yadokari.ts';
import { contains, parseAddress, parseCidr } from '../../network/address.ts';
import type { IPPool } from '../../network/calico/kinds.ts';
import type { AnchorOptions } from '../virtual-machine/anchor.ts';
import type { MirrorInformers } from '../open-stack-tenant/informers.ts';
import { mirrorOf, poolOf } from './kept-objects.ts';
import type { PlanGround } from './plan.ts';

export interface GroundContext {
  readonly client: KubeClient;
  readonly migration: OpenStackMigration;
  readonly tenant: OpenStackTenant;
  readonly mirrored: MirrorInformers;
  readonly types: Informer<InstanceType>;
  readonly claims: Informer<PersistentVolumeClaim>;
  readonly network: AnchorOptions['network'];
}

const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';

/** What of the cluster plans depend on, as it is now. */
export async function groundOf({ client, migration, tenant, mirrored, types, claims, network }: GroundContext, signal: AbortSignal): Promise<PlanGround> {
  const { spec, metadata: { name, namespace } } = migration;
  const classes = (await client.listAll(storageClasses, { signal })).items;
  const cephKey = spec.ceph === undefined ? undefined : await client.get(secrets, { namespace: namespace ?? 'default', name: spec.ceph.secret }, signal).catch(missing);
  const standard = spec.storageClassName ?? classes.find(({ metadata }) => metadata.annotations?.[DEFAULT_CLASS] === 'true')?.metadata.name;
  return {
    spec,
    classOf: (type) => spec.map?.volumeTypes?.[type ?? ''] ?? standard,
    hasClass: (one) => classes.some(({ metadata }) => metadata.name === one),
    hasType: (one) => types.get(keyFor(namespace, one)) !== undefined,
    hasPool: (subnet) => poolOf(subnet, { mirrored, tenant }) !== undefined,
    hasFloating: (address) => (mirrored.subnets.list() as readonly IPPool[]).some(({ spec: pool }) => pool.assignmentMode === 'Manual' && pool.disabled !== true && holds(pool.cidr, address)),
    hasKey: (key) => mirrorOf('keypairs', key, { mirrored, tenant }) !== undefined,
    hasPolicy: (group) => mirrorOf('securityGroups', group, { mirrored, tenant }) !== undefined,
    // The native one enforces none.
    hasEnforcement: network === 'spliced',
    hasCephKey: ['user', 'key'].every((key) => cephKey?.data?.[key] !== undefined),
    takenClaims: (claim) => {
      const known = claims.get(keyFor(namespace, claim));
      return known !== undefined && known.metadata.labels?.[LABEL_MIGRATION] !== name;
    },
  };
}

function holds(cidr: string, address: string): boolean {
  const [range, number] = [parseCidr(cidr), parseAddress(address)];
  return range !== undefined && number !== undefined && contains(range, number);
}
