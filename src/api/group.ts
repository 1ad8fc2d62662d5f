/** The API group and version of all our kinds. */
export const GROUP = 'yadokari.dev';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;

/** On anchors and on the pods of our Pods: the object's name. */
export const LABEL_VIRTUAL_MACHINE = `${GROUP}/virtual-machine`;
export const LABEL_POD = `${GROUP}/pod`;
/** On the pod that runs a machine's own containers: the machine's name, and what its containers were. */
export const LABEL_WORKLOAD = `${GROUP}/workload`;
export const ANNOTATION_WORKLOAD = `${GROUP}/workload`;
/** On pods that hold a claim for a guest whose anchor does not list it: the machine's name. */
export const LABEL_ATTACHMENT = `${GROUP}/attachment`;
/** On Nodes that are guests, beside LABEL_VIRTUAL_MACHINE: the machine's namespace, and the node that the guest is on. */
export const LABEL_NAMESPACE = `${GROUP}/namespace`;
export const LABEL_HOST = `${GROUP}/host`;
/** Keeps from Nodes that are guests what does not ask for them. */
export const TAINT_VIRTUAL_NODE = `${GROUP}/virtual-node`;
/** On anchors: the compiled guest (JSON), written by the operator, read by the agent. */
export const ANNOTATION_GUEST = `${GROUP}/guest`;
/** On a VirtualMachine: any new value restarts the guest. */
export const ANNOTATION_RESTARTED_AT = `${GROUP}/restarted-at`;
/** On a VirtualMachine with runStrategy Manual: `Running` or `Stopped`. */
export const ANNOTATION_REQUESTED_STATE = `${GROUP}/requested-state`;
/** Readiness gate of anchors. */
export const CONDITION_GUEST = `${GROUP}/guest`;
/** Kept on a StorageBackend while there are volumes or snapshots of it. */
export const FINALIZER_VOLUMES = `${GROUP}/volumes`;
/** On a PersistentVolume: the node that was kept from it by force, when, and how. */
export const ANNOTATION_FENCED = `${GROUP}/fenced`;
/** On a StorageBackend: any new value has its drivers look for what nobody needs, and answer in its status. */
export const ANNOTATION_CHECK = `${GROUP}/check`;
/** Kept on a VirtualMachine until its guest is gone and its address released. */
export const FINALIZER = `${GROUP}/cleanup`;
/** Kept on an anchor until its node has let go of the guest. */
export const FINALIZER_GUEST = `${GROUP}/guest`;
