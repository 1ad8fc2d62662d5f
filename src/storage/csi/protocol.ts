import { grpcServices, type Calls, type Messages, type Service } from '../../base/grpc-services.ts';

/** csi.v1 as far as it is used here, by the names and numbers of https://github.com/container-storage-interface/spec/blob/v1.12.0/csi.proto. */
const MESSAGES: Messages = {
  Empty: {},
  BoolValue: { value: 'bool 1' },
  Int64Value: { value: 'int64 1' },
  Timestamp: { seconds: 'int64 1', nanos: 'int32 2' },

  GetPluginInfoResponse: { name: 'string 1', vendorVersion: 'string 2', manifest: '{} 3' },
  GetPluginCapabilitiesResponse: { capabilities: 'PluginCapability[] 1' },
  PluginCapability: { service: 'PluginService 1', volumeExpansion: 'PluginVolumeExpansion 2' },
  PluginService: { type: 'PluginServiceType 1' },
  PluginVolumeExpansion: { type: 'PluginVolumeExpansionType 1' },
  ProbeResponse: { ready: 'BoolValue 1' },

  CapacityRange: { requiredBytes: 'int64 1', limitBytes: 'int64 2' },
  VolumeCapability: { block: 'BlockVolume 1', mount: 'MountVolume 2', accessMode: 'AccessMode 3' },
  BlockVolume: {},
  MountVolume: { fsType: 'string 1', mountFlags: 'string[] 2', volumeMountGroup: 'string 3' },
  AccessMode: { mode: 'AccessModeMode 1' },
  VolumeContentSource: { snapshot: 'SnapshotSource 1', volume: 'VolumeSource 2' },
  SnapshotSource: { snapshotId: 'string 1' },
  VolumeSource: { volumeId: 'string 1' },
  TopologyRequirement: { requisite: 'Topology[] 1', preferred: 'Topology[] 2' },
  Topology: { segments: '{} 1' },
  Volume: { capacityBytes: 'int64 1', volumeId: 'string 2', volumeContext: '{} 3', contentSource: 'VolumeContentSource 4', accessibleTopology: 'Topology[] 5' },
  VolumeCondition: { abnormal: 'bool 1', message: 'string 2' },
  VolumeStatus: { publishedNodeIds: 'string[] 1', volumeCondition: 'VolumeCondition 2' },
  VolumeEntry: { volume: 'Volume 1', status: 'VolumeStatus 2' },

  CreateVolumeRequest: { name: 'string 1', capacityRange: 'CapacityRange 2', volumeCapabilities: 'VolumeCapability[] 3', parameters: '{} 4', secrets: '{} 5', volumeContentSource: 'VolumeContentSource 6', accessibilityRequirements: 'TopologyRequirement 7', mutableParameters: '{} 8' },
  CreateVolumeResponse: { volume: 'Volume 1' },
  DeleteVolumeRequest: { volumeId: 'string 1', secrets: '{} 2' },
  ControllerPublishVolumeRequest: { volumeId: 'string 1', nodeId: 'string 2', volumeCapability: 'VolumeCapability 3', readonly: 'bool 4', secrets: '{} 5', volumeContext: '{} 6' },
  ControllerPublishVolumeResponse: { publishContext: '{} 1' },
  ControllerUnpublishVolumeRequest: { volumeId: 'string 1', nodeId: 'string 2', secrets: '{} 3' },
  ValidateVolumeCapabilitiesRequest: { volumeId: 'string 1', volumeContext: '{} 2', volumeCapabilities: 'VolumeCapability[] 3', parameters: '{} 4', secrets: '{} 5', mutableParameters: '{} 6' },
  ValidateVolumeCapabilitiesResponse: { confirmed: 'Confirmed 1', message: 'string 2' },
  Confirmed: { volumeContext: '{} 1', volumeCapabilities: 'VolumeCapability[] 2', parameters: '{} 3', mutableParameters: '{} 4' },
  ListVolumesRequest: { maxEntries: 'int32 1', startingToken: 'string 2' },
  ListVolumesResponse: { entries: 'VolumeEntry[] 1', nextToken: 'string 2' },
  ControllerGetVolumeRequest: { volumeId: 'string 1' },
  ControllerGetVolumeResponse: { volume: 'Volume 1', status: 'VolumeStatus 2' },
  GetCapacityRequest: { volumeCapabilities: 'VolumeCapability[] 1', parameters: '{} 2', accessibleTopology: 'Topology 3' },
  GetCapacityResponse: { availableCapacity: 'int64 1', maximumVolumeSize: 'Int64Value 2', minimumVolumeSize: 'Int64Value 3' },
  ControllerGetCapabilitiesResponse: { capabilities: 'ControllerServiceCapability[] 1' },
  ControllerServiceCapability: { rpc: 'ControllerRpc 1' },
  ControllerRpc: { type: 'ControllerRpcType 1' },
  CreateSnapshotRequest: { sourceVolumeId: 'string 1', name: 'string 2', secrets: '{} 3', parameters: '{} 4' },
  CreateSnapshotResponse: { snapshot: 'Snapshot 1' },
  Snapshot: { sizeBytes: 'int64 1', snapshotId: 'string 2', sourceVolumeId: 'string 3', creationTime: 'Timestamp 4', readyToUse: 'bool 5', groupSnapshotId: 'string 6' },
  DeleteSnapshotRequest: { snapshotId: 'string 1', secrets: '{} 2' },
  ListSnapshotsRequest: { maxEntries: 'int32 1', startingToken: 'string 2', sourceVolumeId: 'string 3', snapshotId: 'string 4', secrets: '{} 5' },
  ListSnapshotsResponse: { entries: 'SnapshotEntry[] 1', nextToken: 'string 2' },
  SnapshotEntry: { snapshot: 'Snapshot 1' },
  ControllerExpandVolumeRequest: { volumeId: 'string 1', capacityRange: 'CapacityRange 2', secrets: '{} 3', volumeCapability: 'VolumeCapability 4' },
  ControllerExpandVolumeResponse: { capacityBytes: 'int64 1', nodeExpansionRequired: 'bool 2' },

  NodeStageVolumeRequest: { volumeId: 'string 1', publishContext: '{} 2', stagingTargetPath: 'string 3', volumeCapability: 'VolumeCapability 4', secrets: '{} 5', volumeContext: '{} 6' },
  NodeUnstageVolumeRequest: { volumeId: 'string 1', stagingTargetPath: 'string 2' },
  NodePublishVolumeRequest: { volumeId: 'string 1', publishContext: '{} 2', stagingTargetPath: 'string 3', targetPath: 'string 4', volumeCapability: 'VolumeCapability 5', readonly: 'bool 6', secrets: '{} 7', volumeContext: '{} 8' },
  NodeUnpublishVolumeRequest: { volumeId: 'string 1', targetPath: 'string 2' },
  NodeGetVolumeStatsRequest: { volumeId: 'string 1', volumePath: 'string 2', stagingTargetPath: 'string 3' },
  NodeGetVolumeStatsResponse: { usage: 'VolumeUsage[] 1', volumeCondition: 'VolumeCondition 2' },
  VolumeUsage: { available: 'int64 1', total: 'int64 2', used: 'int64 3', unit: 'VolumeUsageUnit 4' },
  NodeGetCapabilitiesResponse: { capabilities: 'NodeServiceCapability[] 1' },
  NodeServiceCapability: { rpc: 'NodeRpc 1' },
  NodeRpc: { type: 'NodeRpcType 1' },
  NodeGetInfoResponse: { nodeId: 'string 1', maxVolumesPerNode: 'int64 2', accessibleTopology: 'Topology 3' },
  NodeExpandVolumeRequest: { volumeId: 'string 1', volumePath: 'string 2', capacityRange: 'CapacityRange 3', stagingTargetPath: 'string 4', volumeCapability: 'VolumeCapability 5', secrets: '{} 6' },
  NodeExpandVolumeResponse: { capacityBytes: 'int64 1' },
};

const ENUMS = {
  PluginServiceType: ['UNKNOWN', 'CONTROLLER_SERVICE', 'VOLUME_ACCESSIBILITY_CONSTRAINTS', 'GROUP_CONTROLLER_SERVICE'],
  PluginVolumeExpansionType: ['UNKNOWN', 'ONLINE', 'OFFLINE'],
  AccessModeMode: ['UNKNOWN', 'SINGLE_NODE_WRITER', 'SINGLE_NODE_READER_ONLY', 'MULTI_NODE_READER_ONLY', 'MULTI_NODE_SINGLE_WRITER', 'MULTI_NODE_MULTI_WRITER', 'SINGLE_NODE_SINGLE_WRITER', 'SINGLE_NODE_MULTI_WRITER'],
  ControllerRpcType: {
    UNKNOWN: 0, CREATE_DELETE_VOLUME: 1, PUBLISH_UNPUBLISH_VOLUME: 2, LIST_VOLUMES: 3, GET_CAPACITY: 4, CREATE_DELETE_SNAPSHOT: 5, LIST_SNAPSHOTS: 6, CLONE_VOLUME: 7,
    PUBLISH_READONLY: 8, EXPAND_VOLUME: 9, LIST_VOLUMES_PUBLISHED_NODES: 10, VOLUME_CONDITION: 11, GET_VOLUME: 12, SINGLE_NODE_MULTI_WRITER: 13,
  },
  NodeRpcType: { UNKNOWN: 0, STAGE_UNSTAGE_VOLUME: 1, GET_VOLUME_STATS: 2, EXPAND_VOLUME: 3, VOLUME_CONDITION: 4, SINGLE_NODE_MULTI_WRITER: 5, VOLUME_MOUNT_GROUP: 6 },
  VolumeUsageUnit: ['UNKNOWN', 'BYTES', 'INODES'],
} as const;

const IDENTITY = {
  GetPluginInfo: ['Empty', 'GetPluginInfoResponse'],
  GetPluginCapabilities: ['Empty', 'GetPluginCapabilitiesResponse'],
  Probe: ['Empty', 'ProbeResponse'],
} as const satisfies Calls;

const CONTROLLER = {
  CreateVolume: ['CreateVolumeRequest', 'CreateVolumeResponse'],
  DeleteVolume: ['DeleteVolumeRequest', 'Empty'],
  ControllerPublishVolume: ['ControllerPublishVolumeRequest', 'ControllerPublishVolumeResponse'],
  ControllerUnpublishVolume: ['ControllerUnpublishVolumeRequest', 'Empty'],
  ValidateVolumeCapabilities: ['ValidateVolumeCapabilitiesRequest', 'ValidateVolumeCapabilitiesResponse'],
  ListVolumes: ['ListVolumesRequest', 'ListVolumesResponse'],
  ControllerGetVolume: ['ControllerGetVolumeRequest', 'ControllerGetVolumeResponse'],
  GetCapacity: ['GetCapacityRequest', 'GetCapacityResponse'],
  ControllerGetCapabilities: ['Empty', 'ControllerGetCapabilitiesResponse'],
  CreateSnapshot: ['CreateSnapshotRequest', 'CreateSnapshotResponse'],
  DeleteSnapshot: ['DeleteSnapshotRequest', 'Empty'],
  ListSnapshots: ['ListSnapshotsRequest', 'ListSnapshotsResponse'],
  ControllerExpandVolume: ['ControllerExpandVolumeRequest', 'ControllerExpandVolumeResponse'],
} as const satisfies Calls;

const NODE = {
  NodeStageVolume: ['NodeStageVolumeRequest', 'Empty'],
  NodeUnstageVolume: ['NodeUnstageVolumeRequest', 'Empty'],
  NodePublishVolume: ['NodePublishVolumeRequest', 'Empty'],
  NodeUnpublishVolume: ['NodeUnpublishVolumeRequest', 'Empty'],
  NodeGetVolumeStats: ['NodeGetVolumeStatsRequest', 'NodeGetVolumeStatsResponse'],
  NodeExpandVolume: ['NodeExpandVolumeRequest', 'NodeExpandVolumeResponse'],
  NodeGetCapabilities: ['Empty', 'NodeGetCapabilitiesResponse'],
  NodeGetInfo: ['Empty', 'NodeGetInfoResponse'],
} as const satisfies Calls;

export type CsiCall = keyof typeof IDENTITY | keyof typeof CONTROLLER | keyof typeof NODE;

export function csiServices(): ReadonlyMap<string, Service> {
  return grpcServices({ package: 'csi.v1', messages: MESSAGES, enums: ENUMS, services: { Identity: IDENTITY, Controller: CONTROLLER, Node: NODE } });
}

/** How the kubelet finds a driver: pluginregistration.Registration, https://github.com/kubernetes/kubelet/blob/master/pkg/apis/pluginregistration/v1/api.proto. */
export function registrationService(): Service | undefined {
  return grpcServices({
    package: 'pluginregistration',
    messages: {
      InfoRequest: {},
      PluginInfo: { type: 'string 1', name: 'string 2', endpoint: 'string 3', supportedVersions: 'string[] 4' },
      RegistrationStatus: { pluginRegistered: 'bool 1', error: 'string 2' },
      RegistrationStatusResponse: {},
    },
    enums: {},
    services: { Registration: { GetInfo: ['InfoRequest', 'PluginInfo'], NotifyRegistrationStatus: ['RegistrationStatus', 'RegistrationStatusResponse'] } },
  }).get('Registration');
}
