import type { ServerPhase } from '../../api/open-stack-migration.ts';
import { LABEL_MOVED_FROM } from '../../api/open-stack-names.ts';
import type { Informer } from '../../kube/informer.ts';
import { keyFor, type KubeObject, type ObjectKey } from '../../kube/object.ts';
import type { Indexer } from '../../kube/store.ts';
import type { OpenStackMigration, VirtualMachine } from '../../kube/yadokari.ts';

/** From when the machine here takes the server's name, until it has given it back. */
const RELEASED: ReadonlySet<ServerPhase> = new Set(['Starting', 'Moved']);

/** Those in which nothing in the cloud has to do with the migration. */
const OUTSIDE: ReadonlySet<ServerPhase> = new Set(['Planned', 'Blocked', 'Moved', 'RolledBack']);

/** `released`: servers that their migration has taken over, as `namespace/id`. `tenant`: migrations that are in the middle of something, by their tenants. */
export const releasedIndexers: Readonly<Record<'released' | 'tenant', Indexer<OpenStackMigration>>> = {
  tenant: ({ metadata: { namespace }, spec, status }) => ((status?.servers ?? []).every(({ phase }) => OUTSIDE.has(phase)) ? [] : [keyFor(namespace, spec.tenant)]),
  released: ({ metadata: { namespace }, status }) => (status?.servers ?? []).flatMap(({ id, phase }) => (id !== undefined && RELEASED.has(phase) ? [keyFor(namespace, id)] : [])),
};

/** `movedFrom`: machines that were moved here, by their servers as `namespace/id`. */
export const movedIndexers: Readonly<Record<'movedFrom', Indexer<VirtualMachine>>> = {
  movedFrom: (vm) => movedFromOf(vm).map((id) => keyFor(vm.metadata.namespace, id)),
};

/** The server that a machine was moved from. */
export function movedFromOf({ metadata: { labels } }: KubeObject): readonly string[] {
  const id = labels?.[LABEL_MOVED_FROM];
  return id === undefined ? [] : [id];
}

/** Servers for which a machine of this cluster stands, so that no mirrored one does. Nothing is, until it is known whether it is. */
export class ReleasedServers {
  readonly #migrations: Informer<OpenStackMigration>;
  readonly #vms: Informer<VirtualMachine>;

  constructor(migrations: Informer<OpenStackMigration>, vms: Informer<VirtualMachine>) {
    this.#migrations = migrations;
    this.#vms = vms;
  }

  /** Migrations that need the tenant's cloud to come to an end, such as `OpenStackMigration wave`. */
  unfinished(tenant: ObjectKey): readonly string[] {
    return this.#migrations.byIndex('tenant', tenant).map(({ metadata: { name } }) => `OpenStackMigration ${name}`);
  }

  has(namespace: string | undefined, id: string): boolean {
    const key: ObjectKey = keyFor(namespace, id);
    return this.#migrations.byIndex('released', key).length > 0 || this.#vms.byIndex('movedFrom', key).length > 0;
  }
}
