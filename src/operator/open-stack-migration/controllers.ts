import { LABEL_MIGRATION } from '../../api/open-stack-names.ts';
import type { Log } from '../../base/log.ts';
import { Controller, isMoreThanStatus, type ControllerMetrics } from '../../kube/controller.ts';
import { pods } from '../../kube/core.ts';
import { Informer } from '../../kube/informer.ts';
import { keyFor, keyOf, type KubeObject, type ObjectKey } from '../../kube/object.ts';
import { OpenStackMigrationReconciler, type OpenStackMigrationContext } from './controller.ts';

export interface OpenStackMigrationOptions extends Omit<OpenStackMigrationContext, 'copies'> {
  readonly log: Log;
  readonly metrics: ControllerMetrics;
}

export interface OpenStackMigrationParts {
  readonly background: readonly Informer<KubeObject>[];
  readonly controller: Controller;
}

/** The controller of migrations, with the caches that only it needs. */
export function openStackMigrationParts(options: OpenStackMigrationOptions): OpenStackMigrationParts {
  const { client, log, clock, metrics, migrations, vms, claims } = options;
  const copies = new Informer(client, pods, { log, labelSelector: LABEL_MIGRATION });
  const reconciler = new OpenStackMigrationReconciler({ ...options, copies });
  const controller = new Controller({ name: 'open-stack-migration', reconcile: reconciler.reconcile, log, clock, metrics });
  controller.watchMappedLoosely(migrations, (migration) => [keyOf(migration)], isMoreThanStatus);
  controller.watchMappedLoosely(copies, migrationOf);
  controller.watchMappedLoosely(claims, migrationOf);
  controller.watchMappedLoosely(vms, ({ metadata: { namespace, name } }) => migrations.list().filter((one) => one.metadata.namespace === namespace && one.spec.servers.names.includes(name)).map(keyOf));
  return { background: [copies as unknown as Informer<KubeObject>], controller };
}

function migrationOf({ metadata: { namespace, labels } }: KubeObject): readonly ObjectKey[] {
  const name = labels?.[LABEL_MIGRATION];
  return name === undefined ? [] : [keyFor(namespace, name)];
}
