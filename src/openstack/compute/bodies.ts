import type { ServerAction, ServerDisk, ServerNetwork, ServerRequest } from './port.ts';

/** What Nova calls each, and is told with it. */
export function bodyOfAction(action: ServerAction): Readonly<Record<string, unknown>> {
  switch (action.kind) {
    case 'start': return { 'os-start': null };
    case 'stop': return { 'os-stop': null };
    case 'reboot': return { reboot: { type: action.how === 'soft' ? 'SOFT' : 'HARD' } };
    case 'lock': return { lock: action.reason === undefined ? null : { locked_reason: action.reason } };
    case 'resize': return { resize: { flavorRef: action.flavorId } };
    case 'addSecurityGroup': return { addSecurityGroup: { name: action.name } };
    case 'removeSecurityGroup': return { removeSecurityGroup: { name: action.name } };
    case 'pause': case 'unpause': case 'suspend': case 'resume': case 'unlock': case 'confirmResize': case 'revertResize':
    case 'shelve': case 'shelveOffload': case 'unshelve': case 'unrescue':
      return { [action.kind]: null };
  }
}

export function bodyOfServer(request: ServerRequest): object {
  const { disks, hints, securityGroups } = request;
  return {
    server: {
      name: request.name,
      flavorRef: request.flavorId,
      imageRef: request.imageId,
      networks: typeof request.networks === 'string' ? request.networks : request.networks.map(bodyOfNetwork),
      block_device_mapping_v2: disks?.map(bodyOfDisk),
      security_groups: securityGroups?.map((name) => ({ name })),
      key_name: request.keyName,
      user_data: request.userDataBase64?.reveal(),
      metadata: request.metadata,
      tags: request.tags,
      description: request.description,
      config_drive: request.configDrive,
      availability_zone: request.availabilityZone,
    },
    ...(hints === undefined ? {} : { 'os:scheduler_hints': hints }),
  };
}

function bodyOfNetwork(network: ServerNetwork): object {
  return network.kind === 'port'
    ? { port: network.portId, tag: network.tag }
    : { uuid: network.networkId, fixed_ip: network.address, tag: network.tag };
}

function bodyOfDisk({ source, destination, sizeGiB, bootIndex, deleteOnTermination, volumeType }: ServerDisk): object {
  return {
    source_type: source.kind,
    uuid: source.kind === 'blank' ? undefined : source.id,
    destination_type: destination,
    volume_size: sizeGiB,
    boot_index: bootIndex ?? -1,
    delete_on_termination: deleteOnTermination,
    volume_type: volumeType,
  };
}
