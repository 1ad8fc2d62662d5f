import type { DebianPackage } from '../packages.ts';

const library = (name: string, purpose: string): DebianPackage => ({ name: `python3-${name}`, purpose, provides: [`/usr/lib/python3/dist-packages/${name}/__init__.py`] });

/** What an OpenStack of this machine takes on Debian: libraries and databases, none of which starts by itself. */
export const openStackPackages: readonly DebianPackage[] = [
  library('keystone', "OpenStack's identities"),
  library('nova', "OpenStack's servers"),
  library('neutron', "OpenStack's networks"),
  library('glance', "OpenStack's images"),
  library('cinder', "OpenStack's volumes"),
  library('placement', "OpenStack's accounts of hosts"),
  { name: 'uwsgi-core', purpose: 'serves some of the APIs of OpenStack', provides: ['uwsgi-core'] },
  { name: 'uwsgi-plugin-python3', purpose: 'the same for Python', provides: ['/usr/lib/uwsgi/plugins/python3_plugin.so'] },
  { name: 'mariadb-server-core', purpose: 'the databases of OpenStack', provides: ['mariadbd', 'mariadb-install-db'] },
  { name: 'mariadb-client-core', purpose: 'the same, for commands', provides: ['mariadb'] },
  { name: 'memcached', purpose: 'tokens that OpenStack has seen already', provides: ['memcached'] },
];

/** The command of OpenStack's own users. */
export const openStackClientPackage: DebianPackage = { name: 'python3-openstackclient', purpose: 'the command openstack', provides: ['openstack'] };

/** Of these only files are wanted: their installation would make users, ask questions and start services. */
export const servicePackages = [
  'keystone', 'glance-common', 'glance-api', 'placement-api', 'neutron-common', 'cinder-common', 'cinder-api', 'cinder-scheduler', 'cinder-volume',
  'nova-common', 'nova-api', 'nova-conductor', 'nova-scheduler', 'nova-compute', 'python3-libvirt',
] as const;
