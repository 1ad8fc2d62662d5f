import { GUEST_BRIDGE } from './conf/neutron.ts';
import { DATABASE_SOCKET, packaged } from './conf/common.ts';
import { insideOf } from './namespace.ts';
import { fakeHosts, INSIDE, LIBVIRT_HOST, type OpenStackPlace, type OpenStackShape } from './place.ts';

/** The processes, in an order in which they can be started; to end, the other way round. */
export const openStackDaemons = ['mariadb', 'memcached', 'libvirt', 'keystone', 'placement', 'neutron', 'glance', 'cinder', 'nova'] as const;
export type OpenStackDaemon = (typeof openStackDaemons)[number];

const PYTHON = '/usr/bin/python3';
const FOLDERS_OF_LIBVIRT = { run: '/run/libvirt', etc: '/etc/libvirt', lib: '/var/lib/libvirt', cache: '/var/cache/libvirt', log: '/var/log/libvirt' } as const;

/** The command of a daemon, which stays in front and speaks to standard error. */
export function daemonCommand(daemon: OpenStackDaemon, place: OpenStackPlace, shape: OpenStackShape): readonly string[] {
  return insideOf(place, commandInside(daemon, place, shape));
}

function commandInside(daemon: OpenStackDaemon, { address, ports }: OpenStackPlace, shape: OpenStackShape): readonly string[] {
  const conf = (name: string) => ['--config-file', `${INSIDE}/etc/${name}.conf`];
  switch (daemon) {
    case 'mariadb':
      return databaseCommand();
    case 'memcached':
      return ['memcached', '-u', 'root', '-l', address, '-p', String(ports.memcached), '-m', '64'];
    case 'keystone':
      return ['env', `OS_KEYSTONE_CONFIG_FILES=${INSIDE}/etc/keystone.conf`, ...served('/usr/bin/keystone-wsgi-public', address, ports.keystone)];
    case 'placement':
      return ['env', `OS_PLACEMENT_CONFIG_DIR=${INSIDE}/etc`, ...served('/usr/bin/placement-api', address, ports.placement)];
    case 'neutron':
      return [PYTHON, `${INSIDE}/python/yado_neutron.py`, ...conf('neutron')];
    case 'glance':
      return ['glance-api', ...conf('glance-api')];
    case 'cinder':
      return [PYTHON, `${INSIDE}/python/yado_cinder.py`, ...conf('cinder')];
    case 'nova':
      return ['env', ...hostSettings(shape), PYTHON, `${INSIDE}/python/yado_nova.py`, ...conf('nova')];
    case 'libvirt':
      return libvirtCommand();
  }
}

/** What is kept outlives its process, and need not outlive this machine: nothing waits for the disk. */
function databaseCommand(): readonly string[] {
  return [
    'mariadbd', '--no-defaults', '--user=root', `--datadir=${INSIDE}/mariadb`, `--socket=${DATABASE_SOCKET}`, `--pid-file=${INSIDE}/mariadb.pid`, '--skip-networking', '--skip-log-bin', '--skip-name-resolve',
    '--innodb-flush-log-at-trx-commit=2', '--innodb-doublewrite=0', '--innodb-flush-method=nosync', '--innodb-buffer-pool-size=128M', '--innodb-log-file-size=16M', '--innodb-file-per-table=0', '--max-connections=500',
  ];
}

function served(file: string, address: string, port: number): readonly string[] {
  return [
    '/usr/bin/uwsgi-core', '--plugins-dir', '/usr/lib/uwsgi/plugins', '--plugins', 'python3', '--http-socket', `${address}:${port}`, '--wsgi-file', file, '--master', '--lazy-apps', '--need-app',
    '--enable-threads', '--processes', '1', '--threads', '4', '--buffer-size', '65535', '--listen', '100', '--die-on-term', '--no-orphans', '--disable-logging',
    // Of one that is killed the worker has the port for a moment longer.
    '--reuse-port',
    // Connections are not kept: an answer's end is its length.
    '--rem-header', 'Content-Length', '--add-header', 'Connection: close',
  ];
}

function hostSettings(shape: OpenStackShape): readonly string[] {
  return [
    // Nova takes the first file for the one that says what is served.
    `OS_NOVA_CONFIG_DIR=${INSIDE}/etc`, `OS_NOVA_CONFIG_FILES=${packaged('usr/share/nova-common/api-paste.ini')};nova.conf`,
    `FAKE_HOSTS=${fakeHosts(shape).join(' ')}`, ...(shape.libvirt === true ? [`LIBVIRT_HOST=${LIBVIRT_HOST}`] : []),
  ];
}

/** In namespaces of processes, networks and names of its own: guests and the bridge that they are on end with it. */
function libvirtCommand(): readonly string[] {
  const binds = Object.entries(FOLDERS_OF_LIBVIRT).map(([name, path]) => `mkdir -p ${path}; mount --bind ${INSIDE}/libvirt/${name} ${path}`);
  const script = `set -e
${binds.join('\n')}
mount --bind ${INSIDE}/libvirt/passwd /etc/passwd
mount --bind ${INSIDE}/libvirt/group /etc/group
echo ${LIBVIRT_HOST} > /proc/sys/kernel/hostname
ip link set lo up
ip link add ${GUEST_BRIDGE} type bridge
ip link set ${GUEST_BRIDGE} up
exec tini -s -- libvirtd -f /etc/libvirt/libvirtd.conf -p ${INSIDE}/libvirt/libvirtd.pid`;
  return ['unshare', '--uts', '--net', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', script];
}
