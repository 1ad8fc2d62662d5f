/** A call of the API that one of our programs makes, as `group/resource`. */
export interface Call {
  readonly who: 'operator' | 'agent' | 'csi' | 'csi-node';
  /** Goes after "lets the operator". */
  readonly why: string;
  readonly verbs: readonly string[];
  readonly resources: readonly string[];
}

const ours = (...names: readonly string[]) => names.map((name) => `yadokari.dev/${name}`);
const calico = (...names: readonly string[]) => names.map((name) => `crd.projectcalico.org/${name}`);
const core = (...names: readonly string[]) => names.map((name) => `/${name}`);
const watching = ['list', 'watch'];

const storage = (...names: readonly string[]) => names.map((name) => `storage.k8s.io/${name}`);
const snapshots = (...names: readonly string[]) => names.map((name) => `snapshot.storage.k8s.io/${name}`);

/** Every call of operator, agent and drivers of volumes with their sidecars, the native network's included. What is not here, they have no right to. */
export const chartCalls: readonly Call[] = [
  { who: 'operator', why: 'watch what users write', verbs: watching, resources: ours('virtualmachines', 'pods', 'virtualmachineimages', 'instancetypes', 'storagebackends') },
  { who: 'operator', why: 'put its finalizer on machines and take it off', verbs: ['patch'], resources: ours('virtualmachines') },
  { who: 'operator', why: 'make a machine for a pod of its own, and stop it', verbs: ['create', 'patch'], resources: ours('virtualmachines') },
  { who: 'operator', why: 'say what is true in each status', verbs: ['patch'], resources: ours('virtualmachines/status', 'pods/status', 'virtualmachineimages/status', 'storagebackends/status') },
  { who: 'operator', why: 'own what blocks the deletion of its owner', verbs: ['update'], resources: ours('virtualmachines/finalizers', 'pods/finalizers', 'storagebackends/finalizers') },
  { who: 'operator', why: 'make the classes of a backend', verbs: ['get', 'create', 'patch'], resources: ['storage.k8s.io/storageclasses', 'storage.k8s.io/csidrivers', 'snapshot.storage.k8s.io/volumesnapshotclasses'] },
  { who: 'operator', why: 'keep a backend while there are volumes of it', verbs: ['patch'], resources: ours('storagebackends') },
  { who: 'operator', why: 'see whether there are volumes and snapshots', verbs: ['list'], resources: ['/persistentvolumes', 'snapshot.storage.k8s.io/volumesnapshotcontents'] },
  { who: 'operator', why: 'make, look at and delete anchors and pods', verbs: ['get', ...watching, 'create', 'delete'], resources: core('pods') },
  { who: 'operator', why: 'let go of the anchors of a lost node', verbs: ['patch'], resources: core('pods') },
  { who: 'operator', why: 'see claims of machines, and make those that machines ask for', verbs: [...watching, 'create', 'patch'], resources: core('persistentvolumeclaims') },
  { who: 'operator', why: 'keep machines from being evicted', verbs: [...watching, 'create', 'delete'], resources: ['policy/poddisruptionbudgets'] },
  { who: 'operator', why: 'see whether nodes are lost', verbs: ['get', ...watching], resources: core('nodes') },
  { who: 'operator', why: 'make and remove the Nodes of machines that are nodes', verbs: ['create', 'patch', 'delete'], resources: core('nodes') },
  { who: 'operator', why: 'see what identities are asked for', verbs: watching, resources: ['certificates.k8s.io/certificatesigningrequests'] },
  { who: 'operator', why: 'approve identities of nodes', verbs: ['patch'], resources: ['certificates.k8s.io/certificatesigningrequests/approval'] },
  { who: 'operator', why: 'approve for the signers of nodes alone', verbs: ['approve'], resources: ['certificates.k8s.io/signers'] },
  { who: 'operator', why: 'tell what happened', verbs: ['create', 'patch'], resources: ['events.k8s.io/events'] },
  { who: 'operator', why: 'take and keep its lease', verbs: ['get', 'create', 'update'], resources: ['coordination.k8s.io/leases'] },
  { who: 'operator', why: 'know how addresses are given', verbs: ['list'], resources: calico('ippools', 'ipamconfigs', 'ipreservations') },
  { who: 'operator', why: 'give back the blocks of nodes that are gone', verbs: ['get', 'list', 'update', 'delete'], resources: calico('ipamblocks', 'blockaffinities') },
  { who: 'operator', why: 'give back the addresses of machines that are gone', verbs: ['get', 'delete'], resources: calico('ipamhandles') },
  { who: 'operator', why: 'keep a tenant while anything mirrors its project', verbs: [...watching, 'patch'], resources: ours('openstacktenants') },
  { who: 'operator', why: 'know whose credentials a copy takes, and keep a migration until nothing of it is left', verbs: ['get', ...watching, 'patch'], resources: ours('openstacktenants', 'openstackmigrations') },
  { who: 'operator', why: 'say how the mirror of a project is, and how far servers have moved', verbs: ['patch'], resources: ours('openstacktenants/status', 'openstackmigrations/status') },
  { who: 'operator', why: 'know where disks of servers may go', verbs: ['list'], resources: ['storage.k8s.io/storageclasses'] },
  { who: 'operator', why: 'mirror servers, flavors and images', verbs: ['get', 'create', 'patch', 'delete'], resources: ours('virtualmachines', 'instancetypes', 'virtualmachineimages') },
  { who: 'operator', why: 'mirror volumes', verbs: ['get', ...watching, 'create', 'patch', 'delete'], resources: core('persistentvolumes', 'persistentvolumeclaims') },
  { who: 'operator', why: 'mirror subnets and security groups', verbs: ['get', ...watching, 'create', 'patch', 'delete'], resources: calico('ippools', 'networkpolicies') },
  { who: 'operator', why: 'have servers named in DNS', verbs: ['get', ...watching, 'create', 'patch', 'delete'], resources: ['discovery.k8s.io/endpointslices'] },
  { who: 'operator', why: 'know the addresses of Services', verbs: ['list'], resources: ['networking.k8s.io/servicecidrs'] },
  { who: 'operator', why: 'read where clouds are, and mirror public keys', verbs: ['get', ...watching, 'create', 'patch', 'delete'], resources: core('secrets') },
  { who: 'agent', why: 'know which machines there are', verbs: ['get', ...watching], resources: ours('virtualmachines') },
  { who: 'agent', why: 'say what it sees of guests and images', verbs: ['patch'], resources: ours('virtualmachines/status', 'virtualmachineimages/status') },
  { who: 'agent', why: 'watch the pods of its node, and let anchors go once their guest is down', verbs: ['get', ...watching, 'patch'], resources: core('pods') },
  { who: 'agent', why: 'see which volume a claim has', verbs: ['get'], resources: core('persistentvolumeclaims') },
  { who: 'agent', why: 'open the readiness gate', verbs: ['patch'], resources: core('pods/status') },
  { who: 'agent', why: 'ask for the identity of a guest that is a node', verbs: ['get', 'create'], resources: ['certificates.k8s.io/certificatesigningrequests'] },
  { who: 'agent', why: 'read user data and SSH keys', verbs: ['get'], resources: core('secrets') },
  { who: 'agent', why: 'tell what happened', verbs: ['create', 'patch'], resources: ['events.k8s.io/events'] },
  { who: 'agent', why: 'route to other nodes, and tell them its address', verbs: ['get', ...watching, 'patch'], resources: core('nodes') },
  { who: 'agent', why: 'know the labels by which pools choose namespaces', verbs: ['get'], resources: core('namespaces') },
  { who: 'agent', why: 'know how addresses are given', verbs: ['list'], resources: calico('ipamconfigs', 'ipreservations') },
  { who: 'agent', why: 'watch what routes depend on', verbs: watching, resources: calico('ippools', 'bgpconfigurations', 'bgppeers') },
  { who: 'agent', why: 'take blocks of addresses', verbs: ['get', 'list', 'create', 'update', 'delete'], resources: calico('ipamblocks', 'blockaffinities') },
  { who: 'agent', why: 'watch who has which block', verbs: ['watch'], resources: calico('blockaffinities') },
  { who: 'agent', why: 'take and release addresses', verbs: ['get', 'create', 'update', 'delete'], resources: calico('ipamhandles') },
  { who: 'csi', why: 'know where volumes are kept, and when it is to look for what is left over', verbs: ['get', ...watching], resources: ours('storagebackends') },
  { who: 'csi', why: 'say whether a backend is reached', verbs: ['patch'], resources: ours('storagebackends/status') },
  { who: 'csi', why: 'read the keys of backends', verbs: ['get'], resources: core('secrets') },
  { who: 'csi', why: 'make, change and remove volumes, and tell of nodes that were kept from them', verbs: ['get', ...watching, 'create', 'patch', 'update', 'delete'], resources: core('persistentvolumes') },
  { who: 'csi', why: 'see claims, and let them grow', verbs: ['get', ...watching, 'patch', 'update'], resources: core('persistentvolumeclaims') },
  { who: 'csi', why: 'say how large a claim is by now', verbs: ['patch', 'update'], resources: core('persistentvolumeclaims/status') },
  { who: 'csi', why: 'see which nodes there are, and who uses a claim', verbs: ['get', ...watching], resources: core('nodes', 'pods') },
  { who: 'csi', why: 'tell what happened to a claim', verbs: ['get', ...watching, 'create', 'patch', 'update'], resources: core('events') },
  { who: 'csi', why: 'tell that a node was kept from a volume', verbs: ['create', 'patch'], resources: ['events.k8s.io/events'] },
  { who: 'csi', why: 'read what volumes are to be like, and which nodes have the driver', verbs: ['get', ...watching], resources: storage('storageclasses', 'csinodes', 'volumeattributesclasses') },
  { who: 'csi', why: 'give volumes to nodes, and take them back', verbs: ['get', ...watching, 'patch'], resources: storage('volumeattachments') },
  { who: 'csi', why: 'say that a node has a volume', verbs: ['patch'], resources: storage('volumeattachments/status') },
  { who: 'csi', why: 'read what snapshots are to be like', verbs: ['get', ...watching], resources: snapshots('volumesnapshotclasses', 'volumesnapshots') },
  { who: 'csi', why: 'make and remove snapshots', verbs: ['get', ...watching, 'patch', 'update'], resources: snapshots('volumesnapshotcontents') },
  { who: 'csi', why: 'say that a snapshot is there', verbs: ['patch', 'update'], resources: snapshots('volumesnapshotcontents/status') },
  { who: 'csi', why: 'take and keep leases', verbs: ['get', 'create', 'update'], resources: ['coordination.k8s.io/leases'] },
  { who: 'csi', why: 'make, let grow and remove volumes that nodes replicate', verbs: ['get', 'list', 'create', 'update', 'delete'], resources: ours('replicatedvolumes') },
  { who: 'csi-node', why: 'know where volumes are kept, and when it is to look for what is left over', verbs: ['get', ...watching], resources: ours('storagebackends') },
  { who: 'csi-node', why: 'say what its node lacks', verbs: ['patch'], resources: ours('storagebackends/status') },
  { who: 'csi-node', why: 'read the keys of backends', verbs: ['get'], resources: core('secrets') },
  { who: 'csi-node', why: 'keep replicas, and shut other nodes out of them', verbs: ['get', ...watching, 'update'], resources: ours('replicatedvolumes') },
  { who: 'csi-node', why: 'say what it sees of replicas', verbs: ['patch'], resources: ours('replicatedvolumes/status') },
  { who: 'csi-node', why: 'know the address and the zone of its node', verbs: ['get'], resources: core('nodes') },
  { who: 'csi-node', why: 'see whether what is attached is used', verbs: ['list'], resources: ['/persistentvolumes', 'storage.k8s.io/volumeattachments'] },
];
