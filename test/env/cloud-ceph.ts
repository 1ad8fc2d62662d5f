import { randomUUID } from 'node:crypto';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../../src/base/process.ts';
import { VOLUME_BACKEND } from '../../src/local/openstack/conf/cinder.ts';
import { iniText } from '../../src/local/openstack/conf/ini.ts';
import { LIBVIRT_SOCKET } from '../../src/local/openstack/conf/nova.ts';
import { outsideOf } from '../../src/local/openstack/namespace.ts';
import type { OpenStackPeer } from '../../src/local/openstack/openstack-peer.ts';
import { INSIDE } from '../../src/local/openstack/place.ts';
import { CephCluster } from './ceph-cluster.ts';

const BACKEND = 'ceph1';
const USER = 'cinder';
const POOL = 'volumes';
/** Where the guests of the cloud, which have a network of their own, meet this machine. */
const [HERE, THERE] = ['198.51.100.1', '198.51.100.2'];

/** A real Ceph that has volumes of a real OpenStack, by Cinder's own driver of it. */
export class CloudCeph implements AsyncDisposable {
  /** The type of volumes that are there. */
  readonly volumeType = BACKEND;
  readonly pool = POOL;
  readonly ceph: CephCluster;

  private constructor(ceph: CephCluster) {
    this.ceph = ceph;
  }

  /** At an address of this machine that nodes reach. */
  static async start(peer: OpenStackPeer, address: string): Promise<CloudCeph> {
    const ceph = await CephCluster.start(address);
    try {
      await ceph.pool(POOL);
      const key = await ceph.user(USER, { mon: 'profile rbd', osd: `profile rbd pool=${POOL}` });
      const secret = randomUUID();
      await giveToCinder(peer, ceph, key, secret);
      await giveToLibvirt(peer, address, key, secret);
      return new CloudCeph(ceph);
    } catch (error) {
      await ceph[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A user who may read volumes, and its key. */
  async reader(): Promise<{ readonly user: string; readonly key: string }> {
    return { user: 'mover', key: await this.ceph.user('mover', { mon: 'profile rbd', osd: `profile rbd pool=${POOL}` }) };
  }

  /** SHA-256 of a volume's content. */
  async sha256(volume: string): Promise<string> {
    return (await run('sh', ['-c', 'rbd -c "$0" export "$1" - --no-progress | sha256sum', this.ceph.site.conf, `${POOL}/volume-${volume}`], { timeoutMs: 120_000 })).split(' ')[0] ?? '';
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
  type Services = { readonly services: readonly { readonly binary: string; readonly host: string; readonly state: string }[] };
  const isUp = async (): Promise<boolean> => admin.get<Services>('volumev3', '/os-services').then(({ services }) => services.some(({ host, state }) => host.endsWith(`@${BACKEND}`) && state === 'up'), () => false);
  for (const giveUpAt = Date.now() + 120_000; !await isUp(); await delay(500)) if (Date.now() > giveUpAt) throw new Error(`Cinder does not use Ceph: ${await peer.log('cinder')}`);
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
