import type { FlavorSize, Server } from '../../openstack/compute/types.ts';
import type { InventoryState } from '../../openstack/inventory/state.ts';
import type { FloatingAddress, Network, Port, SecurityGroup, Subnet } from '../../openstack/network/types.ts';
import type { Volume } from '../../openstack/volume/port.ts';
import type { StateIndex } from '../open-stack-tenant/state-index.ts';

/** A disk that a server has in the cloud. */
export interface SourceDisk {
  readonly name: string;
  /** Absent for the disk of a server that was made of an image. */
  readonly volume?: Volume;
  readonly sizeBytes: number;
}

/** All of a server that a move has to do with, in the order in which it boots and has its interfaces. */
export interface SourceServer {
  readonly server: Server;
  readonly size: FlavorSize | undefined;
  readonly flavorName: string;
  readonly disks: readonly SourceDisk[];
  readonly interfaces: readonly SourceInterface[];
  readonly securityGroups: readonly SecurityGroup[];
  /** Properties of the image that it was made of. */
  readonly imageProperties: Readonly<Record<string, string>>;
  readonly group?: { readonly id: string; readonly name: string; readonly policy: string };
}

export interface SourceInterface {
  readonly port: Port;
  readonly network: Network | undefined;
  /** Of IPv4. */
  readonly fixed?: { readonly address: string; readonly subnet: Subnet | undefined };
  readonly floating: readonly FloatingAddress[];
}

const GIBIBYTE = 2 ** 30;
/** Of a disk's name, which is also its serial number in the guest. */
const VOLUME_DIGITS = 8;

export function sourceServer(server: Server, state: InventoryState, index: StateIndex): SourceServer {
  const { flavor, imageId } = server;
  const size = flavor.kind === 'copy' ? flavor : state.flavors.get(flavor.id);
  const volumes = index.volumesOf(state, server.id).toSorted((a, b) => deviceOf(a, server).localeCompare(deviceOf(b, server)));
  const securityGroups = [...new Set(index.portsOf(state, server.id).flatMap(({ securityGroupIds }) => securityGroupIds))].flatMap((id) => state.securityGroups.get(id) ?? []);
  const [group] = index.groupsOf(state, server.id);
  return {
    server, size,
    flavorName: flavor.kind === 'copy' ? flavor.name : state.flavors.get(flavor.id)?.name ?? flavor.id,
    disks: [
      ...(imageId === undefined ? [] : [{ name: 'root', sizeBytes: Math.max(size?.diskGiB ?? 0, state.images.get(imageId)?.minimumDiskGiB ?? 0) * GIBIBYTE || (state.images.get(imageId)?.virtualSizeBytes ?? 0) }]),
      ...volumes.map((volume, place) => ({ name: imageId === undefined && place === 0 ? 'root' : `vol-${volume.id.replaceAll('-', '').slice(-VOLUME_DIGITS)}`, volume, sizeBytes: volume.sizeGiB * GIBIBYTE })),
    ],
    interfaces: interfacesOf(server, state, index),
    securityGroups,
    imageProperties: { ...(imageId === undefined ? {} : state.images.get(imageId)?.properties), ...(imageId === undefined ? volumes[0]?.imageMetadata : {}) },
    ...(group === undefined ? {} : { group }),
  };
}

/** Whether the flavor gives disks that no image and no volume has. */
export function hasPassingDisks({ size }: SourceServer): boolean {
  return (size?.ephemeralGiB ?? 0) > 0 || (size?.swapMiB ?? 0) > 0;
}

/** In the order of the addresses as Nova tells them, which is that of the interfaces. */
function interfacesOf(server: Server, state: InventoryState, index: StateIndex): readonly SourceInterface[] {
  const macs = server.addresses.map(({ macAddress }) => macAddress);
  const place = ({ macAddress }: Port): number => macs.indexOf(macAddress) >>> 0;
  return index.portsOf(state, server.id).toSorted((a, b) => place(a) - place(b)).map((port) => {
    const fixed = port.addresses.find(({ address }) => address.includes('.'));
    return {
      port,
      network: state.networks.get(port.networkId),
      ...(fixed === undefined ? {} : { fixed: { address: fixed.address, subnet: state.subnets.get(fixed.subnetId) } }),
      floating: [...state.floatingAddresses.values()].filter(({ portId }) => portId === port.id),
    };
  });
}

function deviceOf({ attachments }: Volume, { id }: Server): string {
  return attachments.find(({ serverId }) => serverId === id)?.device ?? '';
}
