import { Type, type Static } from 'typebox';
import { byteQuantity, dnsLabel, exactlyOneOf, intOrString, listMap, objectName, oneOf, textMap, withRules, type Rule } from '../schema/field.ts';
import type { KindDefinition } from '../schema/kind.ts';
import { GROUP, VERSION } from './group.ts';
import { MEMORY_LIMITS } from './instance-type.ts';
import { podField, type Container, type Toleration } from './pod-fields.ts';
import { virtualMachineStatus } from './virtual-machine-status.ts';

const DISK_LIMITS = { minimum: '1Mi', maximum: '64Ti' } as const;

const cpuTopology = Type.Object({
  sockets: Type.Optional(Type.Integer({ description: 'Sockets. Default 1.', minimum: 1, maximum: 64 })),
  cores: Type.Optional(Type.Integer({ description: 'Cores a socket. Default: as many as make up cpu.', minimum: 1, maximum: 512 })),
  threads: Type.Optional(Type.Integer({ description: 'Threads a core. Default 1.', minimum: 1, maximum: 8 })),
  model: Type.Optional(Type.String({ description: 'host-model, host-passthrough, maximum, or a model that libvirt knows. Default: the best that the host offers.', pattern: '^[A-Za-z0-9][-A-Za-z0-9_.]*$', maxLength: 64 })),
}, { description: 'How the virtual CPUs look to the guest.' });

const kernelBoot = Type.Object({
  image: objectName('A VirtualMachineImage of format tar that holds the files.'),
  kernel: Type.Optional(Type.String({ description: 'File of the kernel in the image.', default: 'vmlinuz', pattern: '^[A-Za-z0-9][-A-Za-z0-9_.]*$', maxLength: 128 })),
  initrd: Type.Optional(Type.String({ description: 'File of the initial RAM disk in the image. Default: initrd.img if the image has it.', pattern: '^[A-Za-z0-9][-A-Za-z0-9_.]*$', maxLength: 128 })),
  arguments: Type.Optional(Type.String({ description: "Kernel command line. Default: what the image's file cmdline says, else console=ttyS0.", maxLength: 2048 })),
}, { description: 'Boots a kernel directly, without firmware and boot loader.' });

const blank = Type.Object({}, { description: 'An empty disk; needs size.' });

const disk = withRules(exactlyOneOf('a disk', {
  image: objectName('A VirtualMachineImage: the disk starts as a copy-on-write overlay of it.'),
  blank,
  persistentVolumeClaim: objectName('A PersistentVolumeClaim: its block device, or the file disk.img in its file system, which is made when there is none. It may be added to and taken from a guest that runs.'),
}, {
  name: dnsLabel('Name of the disk, unique in the machine; also the serial number that the guest sees.', 20),
  size: Type.Optional(byteQuantity('size', DISK_LIMITS, "Size of the disk. Default: the image's size.")),
  storageClassName: Type.Optional(objectName('The disk is a claim of this StorageClass, named <machine>-<disk>, which goes with the machine; one of an image is a clone of a copy that is made once. Default: a file on the node.')),
  volumeMode: Type.Optional(oneOf(['Block', 'Filesystem'], { description: 'Of the claim of a disk with storageClassName: the device itself, or a file in a file system, which every StorageClass can. Default Filesystem.' })),
  ephemeral: Type.Optional(Type.Boolean({ description: 'Made anew at every start. Default false.' })),
  readOnly: Type.Optional(Type.Boolean({ description: 'The guest cannot write to it. Default false.' })),
}, { description: 'A disk; its order in the list is the boot order. One of an image or a blank one lives on the node that first ran the machine and pins the machine to it, unless it is ephemeral or has a storageClassName.' }),
{ rule: '!has(self.blank) || has(self.size)', message: 'a blank disk needs a size, such as 10Gi' },
{ rule: '!has(self.persistentVolumeClaim) || !has(self.size)', message: 'a disk of a claim is as large as the claim: let the claim ask for more storage instead of a size here' },
{ rule: '!has(self.storageClassName) || !has(self.persistentVolumeClaim)', message: 'a claim that is there has its StorageClass: storageClassName goes with image or blank' },
{ rule: '!has(self.storageClassName) || ((!has(self.ephemeral) || !self.ephemeral) && (!has(self.readOnly) || !self.readOnly))', message: 'a disk in a StorageClass is the machine\'s own and lasts: it is neither ephemeral nor readOnly' },
{ rule: '!has(self.volumeMode) || has(self.storageClassName)', message: 'volumeMode goes with storageClassName' },
{ rule: '!has(self.persistentVolumeClaim) || !has(self.ephemeral) || !self.ephemeral', message: 'a disk of a claim keeps what is written to it: it cannot be ephemeral' });

const filesystem = Type.Object({
  name: dnsLabel('Name of the file system, unique in the machine.', 20),
  persistentVolumeClaim: objectName('A PersistentVolumeClaim of volumeMode Filesystem; others may use it at the same time, as its access modes allow.'),
  tag: Type.Optional(Type.String({ description: 'What the guest mounts it by: mount -t virtiofs TAG FOLDER. Default: its name.', pattern: '^[A-Za-z0-9][-A-Za-z0-9_.]*$', maxLength: 35 })),
  readOnly: Type.Optional(Type.Boolean({ description: 'The guest cannot write to it. Default false.' })),
}, { description: 'Files of a volume, shared with the guest by virtiofs.' });

const port = Type.Object({
  name: Type.Optional(dnsLabel('Name that probes and Services may use.', 15)),
  port: Type.Integer({ description: 'Port number.', minimum: 1, maximum: 65535 }),
  protocol: oneOf(['TCP', 'UDP', 'SCTP'], { description: 'Protocol.', default: 'TCP' }),
});

const MAC = '^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$';

const network = Type.Object({
  address: Type.Optional(withRules(
    Type.String({ description: 'A fixed IPv4 address inside a pool. Default: one from the pool, kept for the life of the machine.', maxLength: 15 }),
    { rule: 'isIP(self) && ip(self).family() == 4', messageExpression: "'address is ' + self + '; it must be an IPv4 address such as 10.244.0.50'" },
  )),
  macAddress: Type.Optional(withRules(
    Type.String({ description: 'A fixed unicast MAC address. Default: one derived from the machine, kept for its life.', pattern: MAC, maxLength: 17 }),
    { rule: "self.matches('^[0-9a-fA-F][02468aceACE]:')", message: 'macAddress must be a unicast address: its second digit is even' },
  )),
  floatingAddress: Type.Optional(withRules(
    Type.String({ description: 'An IPv4 address of an IPPool with assignmentMode Manual that leads to the machine too, and from which it speaks to the world. On the native network; on Calico where FelixConfiguration allows floatingIPs.', maxLength: 15 }),
    { rule: 'isIP(self) && ip(self).family() == 4', messageExpression: "'floatingAddress is ' + self + '; it must be an IPv4 address such as 203.0.113.7'" },
  )),
  ports: Type.Optional(listMap(port, ['port', 'protocol'], { description: 'Ports that the guest serves; for probes by name and for people.', maxItems: 64 })),
}, { description: 'The place of the machine on the flat network.' });

const cloudInit = withRules(Type.Object({
  source: Type.Optional(oneOf(['NoCloud', 'ConfigDrive', 'MetadataService'], {
    description: 'Where the guest finds all this. NoCloud: on a small disk labelled cidata. ConfigDrive: on one labelled config-2, laid out as OpenStack does. MetadataService: at 169.254.169.254, by the paths of OpenStack and EC2; on the native network. Default NoCloud.',
  })),
  instanceID: Type.Optional(Type.String({ description: 'By which cloud-init knows whether it has met this machine before; once it has another one, it sets the guest up anew. Default: the uid of the machine.', pattern: '^[A-Za-z0-9][-A-Za-z0-9_.]*$', maxLength: 128 })),
  metadata: Type.Optional(textMap('What else the guest is told of itself: meta of OpenStack.', { maxProperties: 128, maxLength: 255 })),
  availabilityZone: Type.Optional(Type.String({ description: 'The zone that the guest is told it is in.', minLength: 1, maxLength: 255 })),
  userData: Type.Optional(Type.String({ description: 'cloud-init user data: #cloud-config, a script, or any other part that cloud-init knows.', maxLength: 65536 })),
  userDataSecret: Type.Optional(Type.Object({
    name: objectName('The Secret.'),
    key: Type.Optional(Type.String({ description: 'The key in it.', default: 'userdata', maxLength: 253 })),
  }, { description: 'The user data in a Secret of the same namespace.' })),
  networkData: Type.Optional(Type.String({ description: 'cloud-init network configuration, version 1 or 2; with ConfigDrive and MetadataService network_data.json of OpenStack. Default: DHCP.', maxLength: 65536 })),
  vendorData: Type.Optional(Type.String({ description: 'cloud-init vendor data.', maxLength: 65536 })),
}, { description: 'What cloud-init in the guest is to find.' }),
{ rule: '!(has(self.userData) && has(self.userDataSecret))', message: 'cloudInit takes userData or userDataSecret, not both' });

const RESERVED_LIMITS = { minimum: '0', maximum: '1Ti' } as const;

const containerHost = Type.Object({
  maxPods: Type.Optional(Type.Integer({ description: 'Pods that may run in it at once. Default 30.', minimum: 1, maximum: 250 })),
  reserved: Type.Optional(Type.Object({
    cpu: Type.Optional(Type.String({ description: "Of the guest's CPUs, kept from pods, such as 100m. Default 0.", pattern: '^([0-9]+([.][0-9]{1,3})?|[0-9]+m)$', maxLength: 16 })),
    memory: Type.Optional(byteQuantity('reserved.memory', RESERVED_LIMITS, "Of the guest's memory, kept from pods. Default 128Mi.")),
  }, { description: "What the guest's own system needs; the Node offers the rest." })),
  transport: Type.Optional(Type.Union([Type.Literal('VirtioSerial'), Type.Literal('TLS')], { description: 'How the host reaches the relay in the guest. VirtioSerial: by a port that only the host has. TLS: at the address of the guest, port 10350, with keys that are made for this machine and lie on its cloud-init seed; for guests without a driver for such ports. Default VirtioSerial.' })),
}, { description: 'Makes the guest a Node named <name>.<namespace>: pods that tolerate the taint yadokari.dev/virtual-node run inside of it. The guest needs containerd and the relay, as the image container-host has. Only on the native network.' });

/** Fields of all probes, as core/v1 has them; what differs between the two is when they start and how often they try. */
function timing(defaults: { readonly initialDelaySeconds: number; readonly periodSeconds: number }) {
  return {
    initialDelaySeconds: Type.Optional(Type.Integer({ description: `Seconds from the start of the guest to the first try. Default ${defaults.initialDelaySeconds}.`, minimum: 0 })),
    periodSeconds: Type.Optional(Type.Integer({ description: `Seconds from one try to the next. Default ${defaults.periodSeconds}.`, minimum: 1 })),
    timeoutSeconds: Type.Optional(Type.Integer({ description: 'Seconds that a try may take. Default 1.', minimum: 1 })),
    successThreshold: Type.Optional(Type.Integer({ description: 'Successes in a row that count. Default 1.', minimum: 1 })),
    failureThreshold: Type.Optional(Type.Integer({ description: 'Failures in a row that count. Default 3.', minimum: 1 })),
  };
}

const probePort = intOrString('A port number, or a name of network.ports.');
/** Of probes that the node's agent makes; the kubelet's are checked with the anchor. */
const checkedPort = withRules(probePort, { rule: 'type(self) == string || (self >= 1 && self <= 65535)', message: 'port must be a number from 1 to 65535 or a name of network.ports' });

const httpHeader = Type.Object({
  name: Type.String({ description: 'Name of the header.', pattern: '^[-A-Za-z0-9]+$', maxLength: 256 }),
  value: Type.String({ description: 'Its value; printable ASCII.', pattern: '^[\\t -~]*$', maxLength: 4096 }),
});

function probeActions(port: typeof probePort) {
  return {
    httpGet: Type.Object({
      port,
      path: Type.Optional(Type.String({ description: 'Path. Default /.', maxLength: 2048 })),
      scheme: Type.Optional(oneOf(['HTTP', 'HTTPS'], { description: 'Certificates of HTTPS are not verified. Default HTTP.' })),
      httpHeaders: Type.Optional(Type.Array(httpHeader, { description: 'Headers of the request; one named Host names the virtual host.', maxItems: 32 })),
    }, { description: 'Succeeds on a status from 200 to 399.' }),
    tcpSocket: Type.Object({ port }, { description: 'Succeeds when the port accepts a connection.' }),
    grpc: Type.Object({
      port: Type.Integer({ description: 'Port number.', minimum: 1, maximum: 65535 }),
      service: Type.Optional(Type.String({ description: 'Service to ask for.', maxLength: 253 })),
    }, { description: 'Succeeds when the gRPC health service answers SERVING.' }),
    guestAgent: Type.Object({}, { description: 'Succeeds when the QEMU guest agent in the guest answers guest-ping. Takes no fields: guestAgent: {}.' }),
  };
}

const readiness = exactlyOneOf('a probe', probeActions(probePort), timing({ initialDelaySeconds: 0, periodSeconds: 1 }), {
  description: "Whether the guest is ready: what Services and the condition Ready go by. Made by the node, of the guest's address or its agent.",
});

const liveness = withRules(exactlyOneOf('a probe', probeActions(checkedPort), timing({ initialDelaySeconds: 120, periodSeconds: 10 }), {
  description: 'Whether the guest still works. When it fails failureThreshold times in a row the guest is ended, without a shutdown, and what follows is what follows a crash: the runStrategy decides. Made by the node while the guest runs and is not paused. A guest that reboots by itself is probed on: leave it the time.',
}), { rule: '!has(self.successThreshold) || self.successThreshold == 1', message: 'successThreshold of a liveness probe must be 1' });

/** A port by name is one of network.ports. */
function knownPort(action: 'httpGet' | 'tcpSocket'): Rule {
  const path = `self.probes.liveness.${action}`;
  const known = `has(self.network) && has(self.network.ports) && self.network.ports.exists(p, has(p.name) && p.name == ${path}.port)`;
  return {
    rule: `!has(self.probes) || !has(self.probes.liveness) || !has(${path}) || type(${path}.port) != string || (${known})`,
    messageExpression: `'probes.liveness.${action}.port is ' + string(${path}.port) + '; network.ports has no port of this name'`,
  };
}

const provider = exactlyOneOf('a provider', {
  openstack: Type.Object({
    tenant: objectName('The OpenStackTenant.'),
    server: Type.String({ description: 'Id of the server.', minLength: 1, maxLength: 64 }),
  }, { description: 'A server of an OpenStack cloud.' }),
}, {}, { description: 'Who runs the machine, where it is not this cluster. Such machines are made by what mirrors the provider; all else about them is in status.provider.' });

/** What a provider decides. */
const LOCAL_FIELDS = [
  'cpu', 'cpuTopology', 'memory', 'firmware', 'kernelBoot', 'filesystems', 'network', 'hostname', 'subdomain', 'cloudInit', 'sshKeys', 'probes',
  'containerHost', 'containers', 'initContainers', 'nodeSelector', 'affinity', 'tolerations', 'topologySpreadConstraints', 'priorityClassName', 'schedulerName',
] as const;
/** What disks have that are made here. */
const LOCAL_DISK_FIELDS = ['image', 'blank', 'size', 'storageClassName', 'volumeMode', 'ephemeral', 'readOnly'] as const;

const spec = withRules(Type.Object({
  provider: Type.Optional(provider),
  runStrategy: Type.Optional(oneOf(['Always', 'Halted', 'Manual', 'RerunOnFailure', 'Once'], {
    description: 'Always: runs, and is started again when it ends. Halted: does not run. RerunOnFailure: started again after a crash, not after it powered off. Once: runs once. Manual: runs while yado start and yado stop say so.',
    default: 'Always',
  })),
  instanceType: Type.Optional(objectName('An InstanceType that gives cpu and memory; what is written here wins. Of a machine of a provider: the one that mirrors its flavor.')),
  cpu: Type.Optional(Type.Integer({ description: 'Virtual CPUs, 1 to 512. Default 1.', minimum: 1, maximum: 512 })),
  cpuTopology: Type.Optional(cpuTopology),
  memory: Type.Optional(byteQuantity('memory', MEMORY_LIMITS, 'Memory of the guest.')),
  firmware: Type.Optional(oneOf(['bios', 'uefi', 'uefiSecure'], { description: 'Firmware that boots the first disk. Default bios.' })),
  kernelBoot: Type.Optional(kernelBoot),
  disks: Type.Optional(listMap(disk, ['name'], { description: 'Disks, in boot order. Of a machine of a provider: claims that mirror its volumes.', maxItems: 24 })),
  filesystems: Type.Optional(withRules(
    listMap(filesystem, ['name'], { description: 'Shared files. Changes reach a guest that runs when it is restarted.', maxItems: 16 }),
    { rule: 'self.all(f, self.exists_one(g, (has(g.tag) ? g.tag : g.name) == (has(f.tag) ? f.tag : f.name)))', message: 'two filesystems have the same tag: give each its own' },
  )),
  network: Type.Optional(network),
  hostname: Type.Optional(dnsLabel("Host name of the guest. Default: the machine's name, its first 63 characters.")),
  subdomain: Type.Optional(dnsLabel('With a headless Service of this name the guest has the DNS name <hostname>.<subdomain>.<namespace>.svc.')),
  cloudInit: Type.Optional(cloudInit),
  sshKeys: Type.Optional(Type.Array(Type.Object({ secret: objectName('A Secret whose values are public keys, one a line.') }), { description: 'Public keys for the default user, through cloud-init.', maxItems: 16 })),
  probes: Type.Optional(Type.Object({ readiness: Type.Optional(readiness), liveness: Type.Optional(liveness) }, { description: 'How it is found out whether the guest is ready, and whether it still works.' })),
  containerHost: Type.Optional(containerHost),
  containers: Type.Optional(podField<readonly Container[]>('containers')),
  initContainers: Type.Optional(podField<readonly Container[]>('initContainers')),
  terminationGracePeriodSeconds: Type.Optional(Type.Integer({ description: 'Seconds that the guest has to shut down before it is ended. Default 60.', default: 60, minimum: 0, maximum: 86400 })),
  evictionStrategy: Type.Optional(oneOf(['Restart', 'Block'], {
    description: 'What an eviction, such as a drain of the node, does. Restart: the guest shuts down cleanly and starts on another node, or waits for this one when its disks are there. Block: the eviction is refused (429) until a person stops or deletes the machine.',
    default: 'Restart',
  })),
  nodeSelector: Type.Optional(podField<Readonly<Record<string, string>>>('nodeSelector')),
  affinity: Type.Optional(podField('affinity')),
  tolerations: Type.Optional(podField<readonly Toleration[]>('tolerations')),
  topologySpreadConstraints: Type.Optional(podField('topologySpreadConstraints')),
  priorityClassName: Type.Optional(Type.String({ description: 'As in a Pod.', maxLength: 253 })),
  schedulerName: Type.Optional(Type.String({ description: 'As in a Pod.', maxLength: 253 })),
}, { description: 'The machine that should be.' }),
{ rule: 'has(self.provider) || has(self.memory) || has(self.instanceType)', message: 'memory is required, such as 2Gi, or an instanceType that gives it', reason: 'FieldValueRequired' },
{ rule: '!has(self.containers) || has(self.containerHost)', message: 'containers run inside the guest, which needs containerHost: {}' },
{ rule: '!has(self.initContainers) || (has(self.containers) && self.containers.size() > 0)', message: 'initContainers prepare containers; list those too' },
{ rule: "!has(self.containerHost) || !has(self.containerHost.transport) || self.containerHost.transport != 'TLS' || !has(self.cloudInit) || !has(self.cloudInit.source) || self.cloudInit.source == 'NoCloud'", message: 'containerHost with transport TLS has its keys on a seed of source NoCloud: leave out cloudInit.source' },
{ rule: '!(has(self.kernelBoot) && has(self.firmware))', message: 'firmware and kernelBoot exclude each other' },
{ rule: 'has(self.provider) || has(self.kernelBoot) || (has(self.disks) && self.disks.size() > 0)', message: 'nothing to boot from: give disks or kernelBoot', reason: 'FieldValueRequired' },
knownPort('httpGet'), knownPort('tcpSocket'),
...LOCAL_FIELDS.map((field): Rule => ({ rule: `!has(self.provider) || !has(self.${field})`, message: `a machine of a provider has no ${field}: that is the provider's to say` })),
...LOCAL_DISK_FIELDS.map((field): Rule => ({ rule: `!has(self.provider) || !has(self.disks) || !self.disks.exists(disk, has(disk.${field}))`, message: `a disk of a machine of a provider has no ${field}: it is a persistentVolumeClaim that mirrors a volume` })),
{ rule: "!has(self.provider) || self.runStrategy in ['Always', 'Halted']", message: 'runStrategy of a machine of a provider is Always or Halted' },
{ rule: 'has(self.provider) == has(oldSelf.provider) && (!has(self.provider) || self.provider == oldSelf.provider)', message: 'provider stays as it is: make another machine' });

export type VirtualMachineSpec = Static<typeof spec>;
export type DiskSpec = Static<typeof disk>;
export type FilesystemSpec = Static<typeof filesystem>;
export type ProbeSpec = Static<typeof readiness>;

export const virtualMachine: KindDefinition = {
  group: GROUP,
  version: VERSION,
  kind: 'VirtualMachine',
  plural: 'virtualmachines',
  shortNames: ['vm'],
  scope: 'Namespaced',
  description: 'A virtual machine. It is anchored by a core/v1 Pod, which schedules it and gives it its address.',
  spec,
  status: virtualMachineStatus,
  rules: [{ rule: 'self.metadata.name.size() <= 57', message: 'the name of a VirtualMachine has at most 57 characters, so that its anchor can be named after it' }],
  columns: [
    { name: 'Status', type: 'string', jsonPath: '.status.printableStatus', description: 'State in one word.' },
    { name: 'Ready', type: 'string', jsonPath: ".status.conditions[?(@.type=='Ready')].status", description: 'Whether the guest runs and its readiness probe succeeds.' },
    { name: 'Node', type: 'string', jsonPath: '.status.node', description: 'The node.' },
    { name: 'Address', type: 'string', jsonPath: '.status.address', description: 'Address on the flat network.' },
    { name: 'CPU', type: 'integer', jsonPath: '.status.cpu', description: 'Virtual CPUs.' },
    { name: 'Memory', type: 'string', jsonPath: '.status.memory', description: 'Memory of the guest.' },
    { name: 'Image', type: 'string', jsonPath: '.spec.disks[0].image', description: 'Image of the first disk.', priority: 1 },
    { name: 'Guest', type: 'string', jsonPath: '.status.guest.osName', description: 'What runs in the guest, from its agent.', priority: 1 },
    { name: 'Tenant', type: 'string', jsonPath: '.spec.provider.openstack.tenant', description: 'The OpenStackTenant that the machine is of, if any.', priority: 1 },
    { name: 'Anchor', type: 'string', jsonPath: '.status.anchor', description: 'The core/v1 Pod that stands for the guest.', priority: 1 },
  ],
};
