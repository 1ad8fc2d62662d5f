import { grpcServices, type Calls, type Messages, type Method } from '../../../base/grpc-services.ts';

/**
 * The messages of runtime.v1 that are used here: field by its type and number, as
 * https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto has them.
 */
const MESSAGES: Messages = {
  Empty: {},
  VersionRequest: { version: 'string 1' },
  VersionResponse: { version: 'string 1', runtimeName: 'string 2', runtimeVersion: 'string 3' },
  StatusRequest: { verbose: 'bool 1' },
  StatusResponse: { status: 'RuntimeStatus 1' },
  RuntimeStatus: { conditions: 'RuntimeCondition[] 1' },
  RuntimeCondition: { type: 'string 1', status: 'bool 2', reason: 'string 3', message: 'string 4' },

  Int64Value: { value: 'int64 1' },
  UInt64Value: { value: 'uint64 1' },
  NamespaceOption: { network: 'NamespaceMode 1', pid: 'NamespaceMode 2', ipc: 'NamespaceMode 3', targetId: 'string 4' },
  SecurityProfile: { profileType: 'ProfileType 1', localhostRef: 'string 2' },

  RunPodSandboxRequest: { config: 'PodSandboxConfig 1', runtimeHandler: 'string 2' },
  PodSandboxId: { podSandboxId: 'string 1' },
  PodSandboxConfig: { metadata: 'PodSandboxMetadata 1', hostname: 'string 2', logDirectory: 'string 3', dnsConfig: 'DNSConfig 4', portMappings: 'PortMapping[] 5', labels: '{} 6', annotations: '{} 7', linux: 'LinuxPodSandboxConfig 8' },
  PodSandboxMetadata: { name: 'string 1', uid: 'string 2', namespace: 'string 3', attempt: 'uint32 4' },
  DNSConfig: { servers: 'string[] 1', searches: 'string[] 2', options: 'string[] 3' },
  PortMapping: { protocol: 'Protocol 1', containerPort: 'int32 2', hostPort: 'int32 3', hostIp: 'string 4' },
  LinuxPodSandboxConfig: { cgroupParent: 'string 1', securityContext: 'LinuxSandboxSecurityContext 2', sysctls: '{} 3' },
  LinuxSandboxSecurityContext: { namespaceOptions: 'NamespaceOption 1', runAsUser: 'Int64Value 3', readonlyRootfs: 'bool 4', supplementalGroups: 'int64[] 5', privileged: 'bool 6', runAsGroup: 'Int64Value 8', seccomp: 'SecurityProfile 9' },
  PodSandboxStatusRequest: { podSandboxId: 'string 1', verbose: 'bool 2' },
  PodSandboxStatusResponse: { status: 'PodSandboxStatus 1', info: '{} 2' },
  PodSandboxStatus: { id: 'string 1', metadata: 'PodSandboxMetadata 2', state: 'PodSandboxState 3', createdAt: 'int64 4', network: 'PodSandboxNetworkStatus 5', labels: '{} 7', annotations: '{} 8' },
  PodSandboxNetworkStatus: { ip: 'string 1' },
  ListPodSandboxResponse: { items: 'PodSandbox[] 1' },
  PodSandbox: { id: 'string 1', metadata: 'PodSandboxMetadata 2', state: 'PodSandboxState 3', createdAt: 'int64 4', labels: '{} 5', annotations: '{} 6' },

  CreateContainerRequest: { podSandboxId: 'string 1', config: 'ContainerConfig 2', sandboxConfig: 'PodSandboxConfig 3' },
  ContainerId: { containerId: 'string 1' },
  ContainerConfig: { metadata: 'ContainerMetadata 1', image: 'ImageSpec 2', command: 'string[] 3', args: 'string[] 4', workingDir: 'string 5', envs: 'KeyValue[] 6', mounts: 'Mount[] 7', labels: '{} 9', annotations: '{} 10', logPath: 'string 11', stdin: 'bool 12', stdinOnce: 'bool 13', tty: 'bool 14', linux: 'LinuxContainerConfig 15' },
  ContainerMetadata: { name: 'string 1', attempt: 'uint32 2' },
  ImageSpec: { image: 'string 1', userSpecifiedImage: 'string 18' },
  KeyValue: { key: 'string 1', value: 'string 2' },
  Mount: { containerPath: 'string 1', hostPath: 'string 2', readonly: 'bool 3', propagation: 'MountPropagation 5' },
  LinuxContainerConfig: { resources: 'LinuxContainerResources 1', securityContext: 'LinuxContainerSecurityContext 2' },
  LinuxContainerResources: { cpuPeriod: 'int64 1', cpuQuota: 'int64 2', cpuShares: 'int64 3', memoryLimitInBytes: 'int64 4', oomScoreAdj: 'int64 5', unified: '{} 9' },
  LinuxContainerSecurityContext: { capabilities: 'Capability 1', privileged: 'bool 2', namespaceOptions: 'NamespaceOption 3', runAsUser: 'Int64Value 5', runAsUsername: 'string 6', readonlyRootfs: 'bool 7', supplementalGroups: 'int64[] 8', noNewPrivs: 'bool 11', runAsGroup: 'Int64Value 12', maskedPaths: 'string[] 13', readonlyPaths: 'string[] 14', seccomp: 'SecurityProfile 15' },
  Capability: { addCapabilities: 'string[] 1', dropCapabilities: 'string[] 2' },
  StopContainerRequest: { containerId: 'string 1', timeout: 'int64 2' },
  ListContainersResponse: { containers: 'Container[] 1' },
  Container: { id: 'string 1', podSandboxId: 'string 2', metadata: 'ContainerMetadata 3', image: 'ImageSpec 4', imageRef: 'string 5', state: 'ContainerState 6', createdAt: 'int64 7', labels: '{} 8', annotations: '{} 9' },
  ContainerStatusResponse: { status: 'ContainerStatus 1' },
  ContainerStatus: { id: 'string 1', metadata: 'ContainerMetadata 2', state: 'ContainerState 3', createdAt: 'int64 4', startedAt: 'int64 5', finishedAt: 'int64 6', exitCode: 'int32 7', image: 'ImageSpec 8', imageRef: 'string 9', reason: 'string 10', message: 'string 11', labels: '{} 12', annotations: '{} 13', logPath: 'string 15' },
  UpdateContainerResourcesRequest: { containerId: 'string 1', linux: 'LinuxContainerResources 2' },

  ExecSyncRequest: { containerId: 'string 1', cmd: 'string[] 2', timeout: 'int64 3' },
  ExecSyncResponse: { stdout: 'bytes 1', stderr: 'bytes 2', exitCode: 'int32 3' },
  ExecRequest: { containerId: 'string 1', cmd: 'string[] 2', tty: 'bool 3', stdin: 'bool 4', stdout: 'bool 5', stderr: 'bool 6' },
  AttachRequest: { containerId: 'string 1', stdin: 'bool 2', tty: 'bool 3', stdout: 'bool 4', stderr: 'bool 5' },
  PortForwardRequest: { podSandboxId: 'string 1', port: 'int32[] 2' },
  Url: { url: 'string 1' },

  ListContainerStatsResponse: { stats: 'ContainerStats[] 1' },
  ContainerStats: { attributes: 'ContainerAttributes 1', cpu: 'CpuUsage 2', memory: 'MemoryUsage 3', writableLayer: 'FilesystemUsage 4' },
  ContainerAttributes: { id: 'string 1', metadata: 'ContainerMetadata 2', labels: '{} 3' },
  CpuUsage: { timestamp: 'int64 1', usageCoreNanoSeconds: 'UInt64Value 2' },
  MemoryUsage: { workingSetBytes: 'UInt64Value 2', usageBytes: 'UInt64Value 4', rssBytes: 'UInt64Value 5' },
  FilesystemUsage: { timestamp: 'int64 1', usedBytes: 'UInt64Value 3', inodesUsed: 'UInt64Value 4' },

  ImageRequest: { image: 'ImageSpec 1' },
  ImageStatusResponse: { image: 'Image 1' },
  ListImagesResponse: { images: 'Image[] 1' },
  Image: { id: 'string 1', repoTags: 'string[] 2', repoDigests: 'string[] 3', size: 'uint64 4', uid: 'Int64Value 5', username: 'string 6' },
  PullImageRequest: { image: 'ImageSpec 1', auth: 'AuthConfig 2', sandboxConfig: 'PodSandboxConfig 3' },
  AuthConfig: { username: 'string 1', password: 'string 2', auth: 'string 3', serverAddress: 'string 4', identityToken: 'string 5' },
  PullImageResponse: { imageRef: 'string 1' },
  ImageFsInfoResponse: { imageFilesystems: 'FilesystemUsage[] 1' },
};

const ENUMS: Readonly<Record<string, readonly string[]>> = {
  NamespaceMode: ['POD', 'CONTAINER', 'NODE', 'TARGET'],
  ProfileType: ['RuntimeDefault', 'Unconfined', 'Localhost'],
  Protocol: ['TCP', 'UDP', 'SCTP'],
  MountPropagation: ['PROPAGATION_PRIVATE', 'PROPAGATION_HOST_TO_CONTAINER', 'PROPAGATION_BIDIRECTIONAL'],
  PodSandboxState: ['SANDBOX_READY', 'SANDBOX_NOTREADY'],
  ContainerState: ['CONTAINER_CREATED', 'CONTAINER_RUNNING', 'CONTAINER_EXITED', 'CONTAINER_UNKNOWN'],
};

/** Calls with their request and response; where the two are one field of the same number, one message serves several calls. */
const RUNTIME: Calls = {
  Version: ['VersionRequest', 'VersionResponse'],
  Status: ['StatusRequest', 'StatusResponse'],
  RunPodSandbox: ['RunPodSandboxRequest', 'PodSandboxId'],
  StopPodSandbox: ['PodSandboxId', 'Empty'],
  RemovePodSandbox: ['PodSandboxId', 'Empty'],
  PodSandboxStatus: ['PodSandboxStatusRequest', 'PodSandboxStatusResponse'],
  ListPodSandbox: ['Empty', 'ListPodSandboxResponse'],
  CreateContainer: ['CreateContainerRequest', 'ContainerId'],
  StartContainer: ['ContainerId', 'Empty'],
  StopContainer: ['StopContainerRequest', 'Empty'],
  RemoveContainer: ['ContainerId', 'Empty'],
  ListContainers: ['Empty', 'ListContainersResponse'],
  ContainerStatus: ['ContainerId', 'ContainerStatusResponse'],
  UpdateContainerResources: ['UpdateContainerResourcesRequest', 'Empty'],
  ReopenContainerLog: ['ContainerId', 'Empty'],
  ExecSync: ['ExecSyncRequest', 'ExecSyncResponse'],
  Exec: ['ExecRequest', 'Url'],
  Attach: ['AttachRequest', 'Url'],
  PortForward: ['PortForwardRequest', 'Url'],
  ListContainerStats: ['Empty', 'ListContainerStatsResponse'],
};

const IMAGES: Calls = {
  ListImages: ['Empty', 'ListImagesResponse'],
  ImageStatus: ['ImageRequest', 'ImageStatusResponse'],
  PullImage: ['PullImageRequest', 'PullImageResponse'],
  RemoveImage: ['ImageRequest', 'Empty'],
  ImageFsInfo: ['Empty', 'ImageFsInfoResponse'],
};

export type CriMethod = Method;

/** The calls of both services by their names. */
export function criMethods(): ReadonlyMap<string, CriMethod> {
  const services = grpcServices({ package: 'runtime.v1', messages: MESSAGES, enums: ENUMS, services: { RuntimeService: RUNTIME, ImageService: IMAGES } });
  return new Map([...services.values()].flatMap((service) => Object.entries(service)));
}
