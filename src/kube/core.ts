import { defineResource, type KubeObject, type ObjectMeta } from './object.ts';

/** The parts of Kubernetes' own kinds that the product reads or writes; what is not listed passes through untouched. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
  /** On nodes only. */
  readonly lastHeartbeatTime?: string;
  readonly observedGeneration?: number;
}

export interface Pod extends KubeObject {
  readonly spec: PodSpec;
  readonly status?: PodStatus;
}

export interface PodSpec {
  readonly nodeName?: string;
  readonly containers: readonly Container[];
  readonly [field: string]: unknown;
}

export interface Container {
  readonly name: string;
  readonly [field: string]: unknown;
}

export interface PodStatus {
  readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  readonly conditions?: readonly Condition[];
  readonly podIP?: string;
  readonly hostIP?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly startTime?: string;
  readonly containerStatuses?: readonly ContainerStatus[];
}

export interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly containerID?: string;
  readonly state?: {
    readonly running?: { readonly startedAt?: string };
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly terminated?: { readonly exitCode: number; readonly reason?: string; readonly message?: string };
  };
}

export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}

export interface Node extends KubeObject {
  readonly spec?: { readonly unschedulable?: boolean; readonly podCIDR?: string; readonly taints?: readonly Taint[] };
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly capacity?: Readonly<Record<string, string>>;
    readonly allocatable?: Readonly<Record<string, string>>;
    readonly nodeInfo?: { readonly bootID: string };
  };
}

export interface Secret extends KubeObject {
  readonly type?: string;
  readonly immutable?: boolean;
  /** Values in base64. */
  readonly data?: Readonly<Record<string, string>>;
}

export interface ConfigMap extends KubeObject {
  readonly immutable?: boolean;
  readonly data?: Readonly<Record<string, string>>;
  /** Values in base64. */
  readonly binaryData?: Readonly<Record<string, string>>;
}

export interface Service extends KubeObject {
  readonly spec: {
    /** `None` for a headless one. */
    readonly clusterIP?: string;
    readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[];
  };
}

export interface Namespace extends KubeObject {
  readonly status?: { readonly phase?: string };
}

export interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/** https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/ */
export interface CertificateSigningRequest extends KubeObject {
  readonly spec: {
    /** PEM, in base64. */
    readonly request: string;
    readonly signerName: string;
    readonly usages: readonly string[];
    readonly expirationSeconds?: number;
    readonly username?: string;
    readonly groups?: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
  readonly status?: { readonly conditions?: readonly Condition[]; readonly certificate?: string };
}

/** https://kubernetes.io/docs/concepts/storage/persistent-volumes/ */
export interface PersistentVolumeClaim extends KubeObject {
  readonly spec: {
    readonly accessModes?: readonly string[];
    /** Default Filesystem. */
    readonly volumeMode?: 'Block' | 'Filesystem';
    readonly volumeName?: string;
    readonly storageClassName?: string;
    readonly dataSource?: { readonly apiGroup?: string; readonly kind: string; readonly name: string };
    readonly resources?: { readonly requests?: Readonly<Record<string, string>> };
  };
  readonly status?: { readonly phase?: 'Pending' | 'Bound' | 'Lost'; readonly capacity?: Readonly<Record<string, string>> };
}

export interface PodDisruptionBudget extends KubeObject {
  readonly spec: { readonly minAvailable: number; readonly selector: { readonly matchLabels: Readonly<Record<string, string>> } };
}

/** Addresses of Services: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/service-cidr-v1/ */
export interface EndpointSlice extends KubeObject {
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints: readonly { readonly addresses: readonly string[]; readonly hostname?: string; readonly conditions?: { readonly ready?: boolean } }[];
  readonly ports?: readonly { readonly name?: string; readonly port?: number; readonly protocol?: string }[];
}

export interface ServiceCidr extends KubeObject {
  readonly spec: { readonly cidrs: readonly string[] };
}

export interface Event extends KubeObject {
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

export const pods = defineResource<Pod>('v1', 'Pod', 'pods');
export const nodes = defineResource<Node>('v1', 'Node', 'nodes', false);
export const secrets = defineResource<Secret>('v1', 'Secret', 'secrets');
export const configMaps = defineResource<ConfigMap>('v1', 'ConfigMap', 'configmaps');
export const services = defineResource<Service>('v1', 'Service', 'services');
export const namespaces = defineResource<Namespace>('v1', 'Namespace', 'namespaces', false);
export const leases = defineResource<Lease>('coordination.k8s.io/v1', 'Lease', 'leases');
export const certificateSigningRequests = defineResource<CertificateSigningRequest>('certificates.k8s.io/v1', 'CertificateSigningRequest', 'certificatesigningrequests', false);
export const podDisruptionBudgets = defineResource<PodDisruptionBudget>('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets');
export const persistentVolumeClaims = defineResource<PersistentVolumeClaim>('v1', 'PersistentVolumeClaim', 'persistentvolumeclaims');
export const endpointSlices = defineResource<EndpointSlice>('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices');
export const serviceCidrs = defineResource<ServiceCidr>('networking.k8s.io/v1', 'ServiceCIDR', 'servicecidrs', false);
export const events = defineResource<Event>('events.k8s.io/v1', 'Event', 'events');
