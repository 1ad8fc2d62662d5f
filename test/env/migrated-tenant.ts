import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenStackMigrationSpec, ServerMigration } from '../../src/api/open-stack-migration.ts';
import { LABEL_SUBDOMAIN } from '../../src/api/open-stack-names.ts';
import type { Progress } from '../../src/base/progress.ts';
import { createTenant } from '../../src/cli/tenant/tenant-objects.ts';
import { isNotFound } from '../../src/kube/api-error.ts';
import { conditionOf } from '../../src/kube/conditions.ts';
import { secrets } from '../../src/kube/core.ts';
import { openStackMigrations, openStackTenants, virtualMachines, type OpenStackMigration, type VirtualMachine } from '../../src/kube/yadokari.ts';
import { loadKubeconfig } from '../../src/kube/transport.ts';
import { buildGuestImage } from '../../src/local/images/guest-image.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import type { OpenStackApi } from '../../src/local/openstack/api.ts';
import { buildGuestDisk } from '../../src/local/openstack/guest-disk.ts';
import type { OpenStackPeer } from '../../src/local/openstack/openstack-peer.ts';
import { consoleOf, guestReady, makeGuest, uploadGuestDisk } from '../../src/local/openstack/seed/guests.ts';
import { makeVolume } from '../../src/local/openstack/seed/volumes.ts';
import { makeFloatingIp, makeNetworks } from '../../src/local/openstack/seed/networks.ts';
import { ensureOperatorObjects } from '../../src/local/openstack/seed/operator-objects.ts';
import { cloudsYaml, makeApplicationCredential, makeProject } from '../../src/local/openstack/seed/project.ts';
import { documents, startTestCluster, type TestCluster } from './cluster.ts';
import { startOpenStack } from './openstack.ts';
import { ipPools } from '../../src/network/calico/kinds.ts';
import { SshUser } from './ssh.ts';

const NAMESPACE = 'moving';
const KEY = 'mover';
const SUBDOMAIN = 'acme';
/** Where user data leaves a word in a guest. */
export const TOLD = '/run/told';
const SEGMENT = 4 * 2 ** 20;
const GIBIBYTE = 2 ** 30;
const MINUTES = 60_000;

interface Plan {
  readonly flavor: string;
  readonly image: string;
  readonly networks: readonly string[];
  readonly keyName: string;
}

/** A guest's address outside, and the id of the port that it leads to; none while it leads nowhere. */
export interface Floating {
  readonly address: string;
  readonly port: () => Promise<string | null>;
}

export interface SourceGuest {
  readonly name: string;
  readonly id: string;
  readonly sizeBytes: number;
  /** The volume that it starts from, where that was made before it. */
  readonly volume?: string;
}

export interface GuestOptions {
  /** Of its volume. Default: the cloud's. */
  readonly volumeType?: string;
  /** What it runs in the cloud alone, as a shell script. */
  readonly there?: string;
}

const secretOf = (server: string): string => `${server}-user-data`;

/** A local cluster with volumes, a real OpenStack that its nodes reach, and a tenant that shows its project, whose servers are real guests. */
export class MigratedTenant implements AsyncDisposable {
  readonly namespace = NAMESPACE;
  readonly cluster: TestCluster;
  readonly peer: OpenStackPeer;
  readonly api: OpenStackApi;
  /** Whose key the servers have. */
  readonly user: SshUser;
  readonly #plan: Plan;
  readonly #externalNetwork: string;
  readonly #bytes: Buffer;

  private constructor(cluster: TestCluster, peer: OpenStackPeer, api: OpenStackApi, user: SshUser, plan: Plan, externalNetwork: string, bytes: Buffer) {
    this.cluster = cluster;
    this.peer = peer;
    this.api = api;
    this.user = user;
    this.#plan = plan;
    this.#externalNetwork = externalNetwork;
    this.#bytes = bytes;
  }

  static async start(progress: Progress, nodes = 1): Promise<MigratedTenant> {
    const cluster = await startTestCluster({ name: 'migration', nodes, storage: ['local'] });
    let peer: OpenStackPeer | undefined;
    let user: SshUser | undefined;
    try {
      // The host's address on the nodes' network: what copies disks runs there.
      const hostname = hostOf(cluster);
      peer = await startOpenStack({ address: hostname, fakeHosts: 1, libvirt: true, progress });
      const admin = await peer.site.signIn(await peer.site.administrator());
      const operator = await ensureOperatorObjects(admin);
      const api = await peer.site.signIn(await makeProject(admin, NAMESPACE));
      const networks = await makeNetworks(api, operator.externalNetwork);
      user = await SshUser.create(KEY);
      await api.post('compute', '/os-keypairs', { keypair: { name: KEY, type: 'ssh', public_key: user.publicKey } });
      const disk = await buildGuestDisk({ guest: await buildGuestImage({ cacheFolder: join(defaultCacheRoot, 'images'), progress }), cacheFolder: join(defaultCacheRoot, 'openstack') });
      const plan = { flavor: operator.flavors['m1.nano'], image: await uploadGuestDisk(admin, disk), networks: [networks.back], keyName: KEY };
      await cluster.namespace(NAMESPACE);
      await cluster.apply(NAMESPACE, documents({ apiVersion: 'v1', kind: 'Service', metadata: { name: SUBDOMAIN }, spec: { clusterIP: 'None', selector: { [LABEL_SUBDOMAIN]: SUBDOMAIN } } }));
      const yaml = cloudsYaml(peer.site.authUrl, NAMESPACE, await makeApplicationCredential(api, 'yadokari'));
      await createTenant(cluster.client, { namespace: NAMESPACE, name: 'shop', secret: 'shop-cloud', cloudsYaml: yaml, spec: { servers: { mode: 'Manage' }, dns: { subdomain: SUBDOMAIN }, syncPeriodSeconds: 5 } }, AbortSignal.timeout(MINUTES));
      return new MigratedTenant(cluster, peer, api, user, plan, operator.externalNetwork, await readFile(disk));
    } catch (error) {
      await user?.[Symbol.asyncDispose]();
      await peer?.[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Of this machine, on the network of the nodes. */
  get hostAddress(): string {
    return hostOf(this.cluster);
  }

  /** A server that has booted, has run its user data, and is shown here. The cloud does not tell what that was: its user has it. */
  async guest(name: string, volumeGiB?: number, { volumeType, there = '' }: GuestOptions = {}): Promise<SourceGuest> {
    const userData = `#!/bin/sh\necho told ${name}\necho ${name} > ${TOLD}\n`;
    const { image } = this.#plan;
    const volume = volumeType === undefined ? undefined : await makeVolume(this.api, { name, size: volumeGiB ?? 1, imageRef: image, volume_type: volumeType });
    const id = await makeGuest(this.api, { name, ...this.#plan, userData: `${userData}${there}`, ...(volumeGiB === undefined ? {} : { volumeGiB }), ...(volume === undefined ? {} : { volume }) });
    await guestReady(this.api, id);
    assert.match(await consoleOf(this.api, id), new RegExp(`told ${name}`));
    await this.cluster.client.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { namespace: NAMESPACE, name: secretOf(name) }, data: { userdata: Buffer.from(userData).toString('base64') } });
    await this.eventually(`machine ${name}`, async () => (await this.machine(name))?.status?.printableStatus === 'Running');
    return { name, id, sizeBytes: (volumeGiB ?? 1) * GIBIBYTE, ...(volume === undefined ? {} : { volume }) };
  }

  /** Gives the guest an address outside, and the cluster a pool that has it. */
  async float({ id }: SourceGuest): Promise<Floating> {
    const address = await makeFloatingIp(this.api, this.#externalNetwork, id);
    await this.cluster.client.create(ipPools, { apiVersion: 'crd.projectcalico.org/v1', kind: 'IPPool', metadata: { name: 'floating' }, spec: { cidr: `${address}/32`, blockSize: 32, assignmentMode: 'Manual' } });
    type Listed = { readonly floatingips: readonly { readonly port_id: string | null }[] };
    return { address, port: async () => (await this.api.get<Listed>('network', `/floatingips?floating_ip_address=${address}`)).floatingips[0]?.port_id ?? null };
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
    const userData = spec.servers.names.map((server) => ({ server, secret: secretOf(server) }));
    return this.cluster.client.create(openStackMigrations, { apiVersion: 'yadokari.dev/v1alpha1', kind: 'OpenStackMigration', metadata: { namespace: NAMESPACE, name }, spec: { tenant: 'shop', storageClassName: 'local', userData, ...spec } });
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

  /** What a command prints in a guest that has moved, for the user of the key; from its node, since the host has no way to networks of a cloud. */
  async inGuest(address: string, command: string): Promise<string> {
    return (await this.cluster.inNode('n1', ...this.user.call(address, command))).trimEnd();
  }

  /** Addresses that the cluster's DNS has for a host of the tenant. */
  async resolve(host: string): Promise<readonly string[]> {
    const resolver = new Resolver({ timeout: 1000, tries: 2 });
    resolver.setServers([this.hostAddress]);
    return resolver.resolve4(`${host}.${SUBDOMAIN}.${NAMESPACE}.svc.cluster.local`).catch(() => []);
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

  /** Does as the administrator of the cloud does after `LeftInCloud`. */
  async removeForgotten(): Promise<void> {
    type Listed = Readonly<Record<string, readonly { readonly id: string; readonly name: string; readonly status: string }[]>>;
    for (const kind of ['volumes', 'snapshots']) {
      const listed = (await this.api.get<Listed>('volumev3', `/${kind}/detail`))[kind] ?? [];
      const forgotten = listed.filter(({ name, status }) => name.startsWith('yadokari-') && (status === 'creating' || status === 'uploading'));
      if (forgotten.length === 0) continue;
      const admin = await this.peer.site.signIn(await this.peer.site.administrator());
      for (const { id, name, status } of forgotten) {
        console.log(`${kind.slice(0, -1)} ${name} was left in the cloud, ${status}`);
        await admin.post('volumev3', `/${kind}/${id}/action`, { 'os-reset_status': { status: 'error' } });
        await this.api.call('volumev3', 'DELETE', `/${kind}/${id}`);
      }
    }
    await this.eventually('the cloud being rid of them', async () => (await this.leftInCloud()).length === 0);
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
    await this.user[Symbol.asyncDispose]();
  }
}

function hostOf({ status: { kubeconfig } }: TestCluster): string {
  return new URL(loadKubeconfig({ kubeconfig }).getCurrentCluster()?.server ?? '').hostname;
}
