import { randomUUID } from 'node:crypto';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../../src/base/process.ts';
import { VOLUME_BACKEND } from '../../src/local/openstack/conf/cinder.ts';
import { iniText } from '../../src/local/openstack/conf/ini.ts';
import { LIBVIRT_SOCKET } from '../../src/local/openstack/conf/nova.ts';
import type { OpenStackDaemon } from '../../src/local/openstack/daemons.ts';
import { outsideOf } from '../../src/local/openstack/namespace.ts';
import type { OpenStackPeer } from '../../src/local/openstack/openstack-peer.ts';
import { INSIDE, LIBVIRT_HOST } from '../../src/local/openstack/place.ts';
import { CephCluster } from './ceph-cluster.ts';
import type { SourceGuest } from './migrated-tenant.ts';

const BACKEND = 'ceph1';
const USER = 'cinder';
const POOL = 'volumes';
const SERVER_POOL = 'vms';
const CAPABILITIES = { mon: 'profile rbd', osd: [POOL, SERVER_POOL].map((pool) => `profile rbd pool=${pool}`).join(', ') };
/** Where the guests of the cloud, which have a network of their own, meet this machine. */
const [HERE, THERE] = ['198.51.100.1', '198.51.100.2'];

/** A real Ceph that has volumes and disks of a real OpenStack, by Cinder's and Nova's own drivers of it. Guests that are there already are not there any more. */
export class CloudCeph implements AsyncDisposable {
  /** The type of volumes that are there. */
  readonly volumeType = BACKEND;
  readonly pool = POOL;
  readonly serverPool = SERVER_POOL;
  readonly ceph: CephCluster;

  private constructor(ceph: CephCluster) {
    this.ceph = ceph;
  }

  /** At an address of this machine that nodes reach. */
  static async start(peer: OpenStackPeer, address: string): Promise<CloudCeph> {
    const ceph = await CephCluster.start(address);
    try {
      for (const pool of [POOL, SERVER_POOL]) await ceph.pool(pool);
      const key = await ceph.user(USER, CAPABILITIES);
      const secret = randomUUID();
      await giveToCinder(peer, ceph, key, secret);
      await giveToLibvirt(peer, address, key, secret);
      await giveToNova(peer, secret);
      return new CloudCeph(ceph);
    } catch (error) {
      await ceph[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A user who may read disks, and its key. */
  async reader(): Promise<{ readonly user: string; readonly key: string }> {
    return { user: 'mover', key: await this.ceph.user('mover', CAPABILITIES) };
  }

  /** Where the disk of a guest is, as `pool/image`: its volume, or its own. */
  imageOf({ id, volume }: Pick<SourceGuest, 'id' | 'volume'>): string {
    return volume === undefined ? `${SERVER_POOL}/${id}_disk` : `${POOL}/volume-${volume}`;
  }

  /** SHA-256 of the content of a guest's disk. */
  async sha256(guest: Pick<SourceGuest, 'id' | 'volume'>): Promise<string> {
    return (await run('sh', ['-c', 'rbd -c "$0" export "$1" - --no-progress | sha256sum', this.ceph.site.conf, this.imageOf(guest)], { timeoutMs: 300_000 })).split(' ')[0] ?? '';
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.ceph[Symbol.asyncDispose]();
  }
}

async function giveToCinder(peer: OpenStackPeer, ceph: CephCluster, key: string, secret: string): Promise<void> {
  const etc = join(peer.folder, 'site/etc');
  const [conf, keyring] = ['ceph.conf', 'ceph.keyring'].map((name) => `${INSIDE}/etc/${name}`);
  await writeFile(join(etc, 'ceph.conf'), `[global]\nmon_host = ${ceph.monitors.map((monitor) => `v1:${monitor}`).join(',')}\n[client.${USER}]\nkeyring = ${keyring}\n`);
  await writeFile(join(etc, 'ceph.keyring'), `[client.${USER}]\nkey = ${key}\n`, { mode: 0o600 });
  const file = join(etc, 'cinder.conf');
  await writeFile(file, (await readFile(file, 'utf8')).replace(/^enabled_backends = .*$/m, `enabled_backends = ${VOLUME_BACKEND},${BACKEND}`));
  await appendFile(file, iniText({ [BACKEND]: { volume_backend_name: BACKEND, volume_driver: 'cinder.volume.drivers.rbd.RBDDriver', rbd_pool: POOL, rbd_ceph_conf: conf ?? '', rbd_user: USER, rbd_secret_uuid: secret, rados_connect_timeout: 10 } }));
  await peer.kill('cinder');
  await peer.run('cinder');
  const admin = await peer.site.signIn(await peer.site.administrator());
  type Services = { readonly services: readonly { readonly host: string; readonly state: string }[] };
  await until('Cinder uses Ceph', peer, 'cinder', async () => (await admin.get<Services>('volumev3', '/os-services')).services.some(({ host, state }) => host.endsWith(`@${BACKEND}`) && state === 'up'));
  await admin.post('volumev3', '/types', { volume_type: { name: BACKEND, extra_specs: { volume_backend_name: BACKEND } } });
}

/** Its guests reach Ceph, and have its key, which Nova tells them by this id. */
async function giveToLibvirt(peer: OpenStackPeer, address: string, key: string, secret: string): Promise<void> {
  const site = { folder: join(peer.folder, 'site') };
  const definition = join(site.folder, 'etc/secret.xml');
  await writeFile(definition, `<secret ephemeral="no" private="no"><uuid>${secret}</uuid><usage type="ceph"><name>client.${USER}</name></usage></secret>`);
  const virsh = (...args: readonly string[]): Promise<string> => run('virsh', ['-c', `qemu+unix:///system?socket=${outsideOf(site, LIBVIRT_SOCKET)}`, ...args]);
  await virsh('secret-define', definition);
  await virsh('secret-set-value', secret, '--base64', key);
  const pid = String(peer.pidOf('libvirt') ?? 0);
  const [mine, theirs] = [`ydc${pid}`, 'ceph0'];
  await run('ip', ['link', 'add', mine, 'type', 'veth', 'peer', 'name', theirs, 'netns', pid]);
  await run('ip', ['address', 'add', `${HERE}/30`, 'dev', mine]);
  await run('ip', ['link', 'set', mine, 'up']);
  await run('nsenter', ['--net', '--target', pid, 'sh', '-c', `ip address add ${THERE}/30 dev ${theirs} && ip link set ${theirs} up && ip route add ${address}/32 via ${HERE}`]);
}

/** Guests of images have their disks there from now on. */
async function giveToNova(peer: OpenStackPeer, secret: string): Promise<void> {
  const file = join(peer.folder, 'site/etc/nova.conf');
  const settings = { images_type: 'rbd', images_rbd_pool: SERVER_POOL, images_rbd_ceph_conf: `${INSIDE}/etc/ceph.conf`, rbd_user: USER, rbd_secret_uuid: secret };
  const known = await readFile(file, 'utf8');
  const changed = known.replace(/^images_type = .*$/m, Object.entries(settings).map(([name, value]) => `${name} = ${value}`).join('\n'));
  if (changed === known) throw new Error('nova.conf says nothing of images_type');
  await writeFile(file, changed);
  await peer.kill('nova');
  const since = new Date().toISOString();
  await peer.run('nova');
  const admin = await peer.site.signIn(await peer.site.administrator());
  type Services = { readonly services: readonly { readonly host: string; readonly state: string; readonly updated_at: string | null }[] };
  await until('Nova runs again', peer, 'nova', async () => (await admin.get<Services>('compute', '/os-services?binary=nova-compute')).services.some(({ host, state, updated_at: at }) => host === LIBVIRT_HOST && state === 'up' && `${at}Z` > since));
}

async function until(what: string, peer: OpenStackPeer, daemon: OpenStackDaemon, isSo: () => Promise<boolean>): Promise<void> {
  for (const giveUpAt = Date.now() + 120_000; !await isSo().catch(() => false); await delay(500)) if (Date.now() > giveUpAt) throw new Error(`${what}: not within two minutes: ${await peer.log(daemon)}`);
}
