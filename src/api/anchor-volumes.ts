/** Names by which operator and agent both know a machine's volumes and the pods that hold them. */

/** Of an anchor's volume for a disk. */
export function diskVolume(disk: string): string {
  return `disk-${disk}`;
}

/** Of an anchor's volume for shared files. */
export function filesystemVolume(filesystem: string): string {
  return `files-${filesystem}`;
}

/** Of the pod that holds a claim which the anchor does not list, since the disk came while the guest ran. */
export function attachmentName(anchor: string, disk: string): string {
  return `${anchor}-${disk}`;
}

interface PodWithVolumes {
  readonly spec: { readonly [field: string]: unknown };
}

/** Whether the pod lists this claim as that volume. */
export function listsClaim({ spec }: PodWithVolumes, volume: string, claim: string): boolean {
  const volumes = (spec['volumes'] ?? []) as readonly { readonly name: string; readonly persistentVolumeClaim?: { readonly claimName: string } }[];
  return volumes.some(({ name, persistentVolumeClaim }) => name === volume && persistentVolumeClaim?.claimName === claim);
}
