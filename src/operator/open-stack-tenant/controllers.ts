import { LABEL_TENANT } from '../../api/open-stack-names.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Controller, type ControllerMetrics } from '../../kube/controller.ts';
import { endpointSlices, secrets, type Node, type PersistentVolumeClaim } from '../../kube/core.ts';
import type { EventRecorder } from '../../kube/event-recorder.ts';
import { Informer } from '../../kube/informer.ts';
import { keyFor, type KubeObject, type ObjectKey } from '../../kube/object.ts';
import { persistentVolumes } from '../../kube/storage.ts';
import { openStackTenants, type InstanceType, type OpenStackMigration, type VirtualMachine, type VirtualMachineImage } from '../../kube/yadokari.ts';
import { ipPools, networkPolicies } from '../../network/calico/kinds.ts';
import type { ConnectCloud } from './cloud-access.ts';
import { OpenStackTenantReconciler } from './controller.ts';
import { mirrorIndexers, tenantKeysOf, type MirrorInformers } from './informers.ts';
import type { Project } from './project.ts';
import { ReleasedServers } from './released.ts';
import type { TargetName } from './target.ts';

export interface OpenStackTenantOptions {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly log: Log;
  readonly clock: Clock;
  readonly metrics: ControllerMetrics;
  readonly connect: ConnectCloud;
  /** With `releasedIndexers`. */
  readonly migrations: Informer<OpenStackMigration>;
  /** Of all there are, with `mirrorIndexers`; machines with `movedIndexers` too. */
  readonly vms: Informer<VirtualMachine>;
  readonly types: Informer<InstanceType>;
  readonly images: Informer<VirtualMachineImage>;
  readonly claims: Informer<PersistentVolumeClaim>;
  readonly nodes: Informer<Node>;
}

export interface OpenStackTenantParts {
  /** The cluster may have none of some kinds, and the operator no right to see others: nobody waits for these. */
  readonly background: readonly Informer<KubeObject>[];
  readonly controller: Controller;
  readonly disposable: AsyncDisposable;
  readonly informers: MirrorInformers;
  readonly projectOf: (tenant: ObjectKey) => Project | undefined;
}

/** The controller of tenants, with the caches that only it needs. */
export function openStackTenantParts(options: OpenStackTenantOptions): OpenStackTenantParts {
  const { client, log, clock, metrics, vms, types, images, claims, migrations } = options;
  const mirrored = { log, labelSelector: LABEL_TENANT, indexers: mirrorIndexers };
  const tenants = new Informer(client, openStackTenants, { log });
  const own = {
    keypairs: new Informer(client, secrets, mirrored),
    volumes: new Informer(client, persistentVolumes, mirrored),
    hostNames: new Informer(client, endpointSlices, mirrored),
    securityGroups: new Informer(client, networkPolicies, mirrored),
    // Those of others too, since none may overlap.
    subnets: new Informer(client, ipPools, { log, indexers: mirrorIndexers }),
  };
  const informers = { servers: vms, flavors: types, images, claims, ...own } as unknown as MirrorInformers;
  const reconciler = new OpenStackTenantReconciler({ ...options, tenants, informers, released: new ReleasedServers(migrations, vms), enqueue: (key) => controller.enqueue(key) });
  const controller = new Controller({ name: 'open-stack-tenant', reconcile: reconciler.reconcile, log, clock, metrics, timeoutMs: 300_000 });
  controller.watchMapped(tenants, ({ metadata }) => [`${metadata.namespace ?? ''}/${metadata.name}`], ({ type, object, old }) => type !== 'modified' || old === undefined || object.metadata.generation !== old.metadata.generation || object.metadata.deletionTimestamp !== old.metadata.deletionTimestamp);
  for (const [target, informer] of Object.entries(informers) as readonly [TargetName, Informer<KubeObject>][]) {
    informer.onChange((change) => reconciler.noticed(target, change));
    controller.watchMappedLoosely(informer, tenantKeysOf);
  }
  migrations.onChange(({ object, old }) => reconciler.markServers(object.metadata.namespace, [object, old].flatMap((one) => one?.status?.servers ?? []).flatMap(({ id }) => id ?? [])));
  controller.watchMappedLoosely(images, (image) => tenantsAsked(image, vms));
  return { background: [tenants, ...Object.values(own)] as unknown as readonly Informer<KubeObject>[], controller, disposable: reconciler, informers, projectOf: (key) => reconciler.projectOf(key) };
}

/** The tenant that makes an image of a machine. */
function tenantsAsked(image: VirtualMachineImage, vms: Informer<VirtualMachine>): readonly ObjectKey[] {
  const { metadata: { namespace }, spec: { source }, status } = image;
  if (source.virtualMachine === undefined) return [];
  const tenant = vms.get(keyFor(namespace, source.virtualMachine.name))?.spec.provider?.openstack?.tenant ?? status?.snapshot?.tenant;
  return tenant === undefined ? [] : [keyFor(namespace, tenant)];
}
