import { join } from 'node:path';
import type { NetworkPlan } from '../network-plan.ts';
import type { ClusterRecord } from '../record.ts';
import { storageObjects } from '../storage/objects.ts';
import { placeholders, readManifests } from './manifests.ts';
import { systemObjects, type Manifest } from './system-objects.ts';

const SNAPSHOT_GROUP = 'snapshot.storage.k8s.io';
const snapshotKinds = ['volumesnapshotclasses', 'volumesnapshotcontents', 'volumesnapshots'] as const;

/** All that a cluster has in its API before anybody uses it. */
export async function clusterManifests(plan: NetworkPlan, { manifests, storage }: Pick<ClusterRecord, 'manifests' | 'storage'>): Promise<readonly Manifest[]> {
  const definitions = storage === undefined ? [] : snapshotKinds.map((name) => join(storage.snapshotDefinitions, `${SNAPSHOT_GROUP}_${name}.yaml`));
  return [...systemObjects(plan), ...(await readManifests([...manifests, ...definitions], placeholders(plan))), ...(storage === undefined ? [] : storageObjects(storage))];
}
