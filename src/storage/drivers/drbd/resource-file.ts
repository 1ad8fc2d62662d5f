import type { DrbdSettings } from './settings.ts';

export interface ResourceHost {
  readonly hostname: string;
  readonly address: string;
  readonly port: number;
  readonly nodeId: number;
  readonly minor: number;
  readonly diskless: boolean;
}

export interface ResourceDescription {
  readonly resource: string;
  readonly hosts: readonly ResourceHost[];
  readonly disk: string;
  readonly metadata: string;
  readonly handlers: { readonly fencePeer: string; readonly splitBrain: string };
  readonly onNoQuorum: DrbdSettings['onNoQuorum'];
  /** Of DRBD, such as 8. */
  readonly major: number;
}

/**
 * A peer is missed within five seconds, which is less than what pods are given up after. What both sides have changed
 * stays as it is on either, for a person to decide.
 */
const NET = [
  'protocol C', 'timeout 25', 'connect-int 3', 'ping-int 3', 'ping-timeout 20', 'verify-alg crc32c',
  'after-sb-0pri disconnect', 'after-sb-1pri disconnect', 'after-sb-2pri disconnect', 'rr-conflict disconnect',
];

/** DRBD begins to copy at a rate of its own, which is that of disks of long ago. */
const DISK = ['on-io-error detach', 'resync-rate 40M', 'c-max-rate 400M', 'c-min-rate 10M'];

/** The resource's file: https://docs.linbit.com/man/v84/drbd-conf-5/, https://docs.linbit.com/man/v9/drbd-conf-9-0/. */
export function resourceFile(description: ResourceDescription): string {
  const { resource, handlers, major, onNoQuorum, hosts } = description;
  // DRBD 9 decides by a majority; 8.4 stops and asks.
  const decides = major >= 9 ? [`  options { quorum majority; on-no-quorum ${onNoQuorum}; }`, `  disk { ${DISK.join('; ')}; }`] : [`  disk { ${DISK.join('; ')}; fencing resource-and-stonith; }`];
  return [
    '# Written by yado-csi, which writes over what is changed here.',
    `resource ${resource} {`,
    `  handlers { fence-peer "${handlers.fencePeer}"; split-brain "${handlers.splitBrain}"; }`,
    ...decides,
    `  net { ${NET.join('; ')}; }`,
    ...hosts.map((host) => hostSection(host, description)),
    ...(major >= 9 ? [`  connection-mesh { hosts ${hosts.map(({ hostname }) => hostname).join(' ')}; }`] : []),
    '}', '',
  ].join('\n');
}

function hostSection({ hostname, address, port, nodeId, minor, diskless }: ResourceHost, { disk, metadata, major }: ResourceDescription): string {
  const place = diskless ? 'disk none;' : `disk ${disk}; meta-disk ${metadata};`;
  return `  on ${hostname} { ${major >= 9 ? `node-id ${nodeId}; ` : ''}address ipv4 ${address}:${port}; volume 0 { device minor ${minor}; ${place} } }`;
}

/** What DRBD keeps of its own beside this many bytes of data: 32 KiB for each GiB and each peer, and its log. */
export function metadataBytes(sizeBytes: number, peers: number): number {
  const bitmap = Math.ceil(sizeBytes / 2 ** 27) * 4096;
  return bitmap * Math.max(peers, 1) + 2 ** 20;
}
