import type { Controller } from '../kube/controller.ts';
import { Informer } from '../kube/informer.ts';
import type { KubeObject } from '../kube/object.ts';
import { openStackMigrations } from '../kube/yadokari.ts';
import type { AnchorOptions } from './virtual-machine/anchor.ts';
import { openStackMigrationParts } from './open-stack-migration/controllers.ts';
import { openStackTenantParts, type OpenStackTenantOptions } from './open-stack-tenant/controllers.ts';
import { releasedIndexers } from './open-stack-tenant/released.ts';

export interface OpenStackParts {
  /** The cluster may lack some kinds: nobody waits for these. */
  readonly background: readonly Informer<KubeObject>[];
  readonly controllers: readonly Controller[];
  readonly disposable: AsyncDisposable;
}

/** Tenants, and the migrations of their servers, which share what is known of the clouds. */
export function openStackParts(options: Omit<OpenStackTenantOptions, 'migrations'> & { readonly anchor: AnchorOptions }): OpenStackParts {
  const { client, log } = options;
  const migrations = new Informer(client, openStackMigrations, { log, indexers: releasedIndexers });
  const tenants = openStackTenantParts({ ...options, migrations });
  const moves = openStackMigrationParts({ ...options, migrations, mirrored: tenants.informers, projectOf: tenants.projectOf });
  return { background: [migrations as unknown as Informer<KubeObject>, ...tenants.background, ...moves.background], controllers: [tenants.controller, moves.controller], disposable: tenants.disposable };
}
