import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenStackMigrationSpec, ServerMigration } from '../../src/api/open-stack-migration.ts';
import type { Progress } from '../../src/base/progress.ts';
import { createTenant } from '../../src/cli/tenant/tenant-objects.ts';
import { isNotFound } from '../../src/kube/api-error.ts';
import { conditionOf } from '../../src/kube/conditions.ts';
import { openStackMigrations, openStackTenants, virtualMachines, type OpenStackMigration, type VirtualMachine } from '../../src/kube/yadokari.ts';
import { loadKubeconfig } from '../../src/kube/transport.ts';
import { buildGuestImage } from '../../src/local/images/guest-image.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import type { OpenStackApi } from '../../src/local/openstack/api.ts';
import { buildGuestDisk } from '../../src/local/openstack/guest-disk.ts';
import type { OpenStackPeer } from '../../src/local/openstack/openstack-peer.ts';
import { guestReady, makeGuest, uploadGuestDisk } from '../../src/local/openstack/seed/guests.ts';
import { keypairs, makeKeypairs } from '../../src/local/openstack/seed/keypairs.ts';
import { makeNetworks } from '../../src/local/openstack/seed/networks.ts';
import { ensureOperatorObjects } from '../../src/local/openstack/seed/operator-objects.ts';
import { cloudsYaml, makeApplicationCredential, makeProject } from '../../src/local/openstack/seed/project.ts';
import { startTestCluster, type TestCluster } from './cluster.ts';
import { startOpenStack } from './openstack.ts';

const NAMESPACE = 'moving';
const SEGMENT = 4 * 2 ** 20;
const GIBIBYTE = 2 ** 30;
const MINUTES = 60_000;

interface Plan {
  readonly flavor: string;
  readonly image: string;
  readonly networks: readonly string[];
  readonly keyName: string;
}

export interface SourceGuest {
  readonly name: string;
  readonly id: string;
  readonly sizeBytes: number;
}

/** A local cluster with volumes, a real OpenStack that its nodes reach, and a tenant that shows its project, whose servers are real guests. */
export class MigratedTenant implements AsyncDisposable {
  readonly namespace = NAMESPACE;
  readonly cluster: TestCluster;
  readonly peer: OpenStackPeer;
  readonly api: OpenStackApi;
  readonly #plan: Plan;
  readonly #bytes: Buffer;

  private constructor(cluster: TestCluster, peer: OpenStackPeer, api: OpenStackApi, plan: Plan, bytes: Buffer) {
    this.cluster = cluster;
    this.peer = peer;
    this.api = api;
    this.#plan = plan;
    this.#bytes = bytes;
  }

  static async start(progress: Progress, nodes = 1): Promise<MigratedTenant> {
    const cluster = await startTestCluster({ name: 'migration', nodes, storage: ['local'] });
    let peer: OpenStackPeer | undefined;
    try {
      // The host's address on the nodes' network: what copies disks runs there.
      const { hostname } = new URL(loadKubeconfig({ kubeconfig: cluster.status.kubeconfig }).getCurrentCluster()?.server ?? '');
      peer = await startOpenStack({ address: hostname, fakeHosts: 1, libvirt: true, progress });
      const admin = await peer.site.signIn(await peer.site.administrator());
      const operator = await ensureOperatorObjects(admin);
      const api = await peer.site.signIn(await makeProject(admin, NAMESPACE));
      const networks = await makeNetworks(api, operator.externalNetwork);
      await makeKeypairs(api);
      const disk = await buildGuestDisk({ guest: await buildGuestImage({ cacheFolder: join(defaultCacheRoot, 'images'), progress }), cacheFolder: join(defaultCacheRoot, 'openstack') });
      const plan = { flavor: operator.flavors['m1.nano'], image: await uploadGuestDisk(admin, disk), networks: [networks.back], keyName: keypairs[0] };
      await cluster.namespace(NAMESPACE);
      const yaml = cloudsYaml(peer.site.authUrl, NAMESPACE, await makeApplicationCredential(api, 'yadokari'));
      await createTenant(cluster.client, { namespace: NAMESPACE, name: 'shop', secret: 'shop-cloud', cloudsYaml: yaml, spec: { servers: { mode: 'Manage' }, syncPeriodSeconds: 5 } }, AbortSignal.timeout(MINUTES));
      return new MigratedTenant(cluster, peer, api, plan, await readFile(disk));
    } catch (error) {
      await peer?.[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A server that has booted, and is shown here. */
  async guest(name: string, volumeGiB?: number): Promise<SourceGuest> {
    const id = await makeGuest(this.api, { name, ...this.#plan, ...(volumeGiB === undefined ? {} : { volumeGiB }) });
    await guestReady(this.api, id);
    await this.eventually(`machine ${name}`, async () => (await this.machine(name))?.status?.printableStatus === 'Running');
    return { name, id, sizeBytes: (volumeGiB ?? 1) * GIBIBYTE };
  }

  /** As a copy of the disk has to have it: the guest writes nothing to its disk. */
  digestOf({ sizeBytes }: SourceGuest): string {
    let digest = Buffer.alloc(32);
    for (let offset = 0; offset < sizeBytes; offset += SEGMENT) {
      const segment = Buffer.alloc(SEGMENT);
      segment.set(this.#bytes.subarray(offset, offset + SEGMENT));
      digest = createHash('sha256').update(digest).update(createHash('sha256').update(segment).digest()).digest();
    }
    return digest.toString('hex');
  }

  migrate(name: string, spec: Omit<OpenStackMigrationSpec, 'tenant'>): Promise<unknown> {
    return this.cluster.client.create(openStackMigrations, { apiVersion: 'yadokari.dev/v1alpha1', kind: 'OpenStackMigration', metadata: { namespace: NAMESPACE, name }, spec: { tenant: 'shop', storageClassName: 'local', ...spec } });
  }

  change(name: string, spec: object): Promise<unknown> {
    return this.cluster.client.patch(openStackMigrations, { namespace: NAMESPACE, name }, { spec });
  }

  async becomes(name: string, wanted: string, timeoutMs = 6 * MINUTES): Promise<ServerMigration> {
    await this.eventually(`migration ${name} being ${wanted}`, async () => conditionOf((await this.migration(name)).status?.conditions, 'Complete')?.reason === wanted, timeoutMs);
    return (await this.migration(name)).status?.servers?.[0] ?? assert.fail('it tells of no server');
  }

  migration(name: string): Promise<OpenStackMigration> {
    return this.cluster.client.get(openStackMigrations, { namespace: NAMESPACE, name });
  }

  async removeMigration(name: string): Promise<void> {
    await this.cluster.client.delete(openStackMigrations, { namespace: NAMESPACE, name });
    await this.eventually(`migration ${name} being gone`, () => this.migration(name).then(() => false, (error: unknown) => isNotFound(error)));
  }

  machine(name: string): Promise<VirtualMachine | undefined> {
    return this.cluster.client.get(virtualMachines, { namespace: NAMESPACE, name }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      return undefined;
    });
  }

  async server(id: string): Promise<{ readonly status: string; readonly locked: boolean }> {
    return (await this.api.get<{ readonly server: { readonly status: string; readonly locked: boolean } }>('compute', `/servers/${id}`)).server;
  }

  /** Names of what copies have left in the cloud. */
  async leftInCloud(): Promise<readonly string[]> {
    type Named = readonly { readonly name: string }[];
    const [{ images }, { volumes }, { snapshots }] = await Promise.all([this.api.get<{ readonly images: Named }>('image', '/images'), this.api.get<{ readonly volumes: Named }>('volumev3', '/volumes'), this.api.get<{ readonly snapshots: Named }>('volumev3', '/snapshots')]);
    return [...images, ...volumes, ...snapshots].map(({ name }) => name).filter((name) => name.startsWith('yadokari-'));
  }

  async eventually(what: string, look: () => Promise<boolean>, timeoutMs = 3 * MINUTES): Promise<void> {
    await this.cluster.eventually(what, look, timeoutMs, NAMESPACE).catch(async (error: unknown) => {
      const [tenants, moves] = await Promise.all([this.cluster.client.listAll(openStackTenants), this.cluster.client.listAll(openStackMigrations)]);
      throw new Error(`${(error as Error).message}\n${JSON.stringify([tenants.items.map(({ status }) => [status?.conditions, status?.problems]), moves.items.map(({ metadata, status }) => [metadata.name, status?.servers])], undefined, 1)}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
  }
}
