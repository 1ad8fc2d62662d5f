import { isDeepStrictEqual } from 'node:util';
import { driversOf, type StorageDriver } from '../../api/storage-drivers.ts';
import type { Clock } from '../../base/clock.ts';
import { isRefused, missing } from '../../kube/api-error.ts';
import type { Applied, KubeClient } from '../../kube/client.ts';
import { mergeConditions, type ConditionDraft } from '../../kube/conditions.ts';
import type { Reconcile } from '../../kube/controller.ts';
import type { Informer } from '../../kube/informer.ts';
import { controllerOf, isDeleting, type KubeObject, type Resource } from '../../kube/object.ts';
import { csiDrivers, storageClasses, volumeSnapshotClasses } from '../../kube/storage.ts';
import { storageBackends, type StorageBackend } from '../../kube/yadokari.ts';
import { classesOf } from './classes.ts';
import { contentOf, holdBackend, letGo } from './removal.ts';

export interface StorageBackendContext {
  readonly client: KubeClient;
  readonly backends: Informer<StorageBackend>;
  readonly clock: Clock;
}

const FIELD_MANAGER = 'yadokari-operator';
/** Classes are not watched: one that was deleted by hand is back after this long. */
const AGAIN_MS = 300_000;
/** Volumes are not watched either. */
const LOOK_MS = 5000;

/** Makes a backend's classes, and sums up in the condition Ready what its drivers say. */
export class StorageBackendReconciler {
  readonly #context: StorageBackendContext;

  constructor(context: StorageBackendContext) {
    this.#context = context;
  }

  readonly reconcile: Reconcile = async (key, signal) => {
    const { client, backends, clock } = this.#context;
    const backend = backends.get(key);
    if (backend === undefined) return undefined;
    const drivers = driversOf(backend.metadata.name, backend.spec);
    if (isDeleting(backend)) return this.#remove(backend, drivers, signal);
    await holdBackend(client, backend, signal);
    const fault = (await Promise.all(drivers.map((driver) => this.#ensureClasses(backend, driver, signal)))).find((found) => found !== undefined);
    const { name, generation } = backend.metadata;
    const conditions = mergeConditions(backend.status?.conditions, [fault ?? readyOf(backend, drivers)], clock.now(), generation);
    const status = { conditions, storageClasses: drivers.map(({ className }) => className) };
    const { conditions: before, storageClasses: classesBefore } = backend.status ?? {};
    if (!isDeepStrictEqual({ conditions: before, storageClasses: classesBefore }, status)) await client.apply(storageBackends, { metadata: { name }, status }, { fieldManager: FIELD_MANAGER, subresource: 'status', signal });
    return { requeueAfterMs: AGAIN_MS };
  };

  /** Nothing becomes of a volume whose drivers are gone: they stay until the last one has been removed. */
  async #remove(backend: StorageBackend, drivers: readonly StorageDriver[], signal: AbortSignal): Promise<{ readonly requeueAfterMs: number } | undefined> {
    const { client, clock } = this.#context;
    const content = await contentOf(client, drivers, signal);
    if (content === undefined) {
      await letGo(client, backend, signal);
      return undefined;
    }
    const { name, generation } = backend.metadata;
    const fault = notReady('HasVolumes', `it is to be deleted, and goes with the last of its volumes: there are ${content} still; delete their claims and snapshots, and those that are kept`);
    const conditions = mergeConditions(backend.status?.conditions, [fault], clock.now(), generation);
    const status = { conditions, storageClasses: drivers.map(({ className }) => className) };
    if (!isDeepStrictEqual(backend.status?.conditions, conditions)) await client.apply(storageBackends, { metadata: { name }, status }, { fieldManager: FIELD_MANAGER, subresource: 'status', signal });
    return { requeueAfterMs: LOOK_MS };
  }

  /** Why there cannot be such classes; undefined when there are. */
  async #ensureClasses(backend: StorageBackend, driver: StorageDriver, signal: AbortSignal): Promise<ConditionDraft | undefined> {
    const { csiDriver, storageClass, snapshotClass } = classesOf(backend, driver);
    return await this.#ensure(backend, csiDrivers, csiDriver, signal)
      ?? await this.#ensure(backend, storageClasses, storageClass, signal)
      // A cluster need not know snapshots.
      ?? await this.#ensure(backend, volumeSnapshotClasses, snapshotClass, signal).catch(missing);
  }

  async #ensure<T extends KubeObject>(backend: StorageBackend, resource: Resource<T>, wanted: Applied, signal: AbortSignal): Promise<ConditionDraft | undefined> {
    const { client } = this.#context;
    const { name } = wanted.metadata;
    const known = await client.get(resource, { name }, signal).catch(missing);
    if (known !== undefined && controllerOf(known)?.uid !== backend.metadata.uid) {
      return notReady('NameTaken', `there is a ${resource.kind} ${name} already, which is not of this backend: delete it, or name the backend otherwise`);
    }
    try {
      await client.apply(resource, wanted, { fieldManager: FIELD_MANAGER, signal });
    } catch (error) {
      if (!isRefused(error)) throw error;
      return notReady('ClassFixed', `${resource.kind} ${name} cannot be changed in what this asks for: delete it, and it is made anew; volumes that are there stay as they are`);
    }
    return undefined;
  }
}

function readyOf({ status }: StorageBackend, drivers: readonly StorageDriver[]): ConditionDraft {
  for (const { name, kind } of drivers) {
    // Each node has its own.
    if (kind === 'local') continue;
    const said = status?.drivers?.find((report) => report.name === name);
    if (said === undefined) return { type: 'Ready', status: 'Unknown', reason: 'DriverSilent', message: `no driver ${name} has said anything yet: ${whoRuns(kind)}` };
    if (!said.reachable) return notReady('Unreachable', `${name}: ${said.message ?? 'the backend cannot be reached'}`);
  }
  return { type: 'Ready', status: 'True', reason: 'Reachable', message: 'volumes can be made' };
}

function whoRuns(kind: StorageDriver['kind']): string {
  if (kind === 'drbd') return 'neither the chart nor local clusters run it; docs/drbd.md says how nodes do';
  return `is storage.${kind === 'rbd' || kind === 'cephfs' ? 'ceph' : kind} on in the chart, or was it added by yado storage add?`;
}

function notReady(reason: string, message: string): ConditionDraft {
  return { type: 'Ready', status: 'False', reason, message };
}
