import type { VirtualMachineImage } from '../../kube/yadokari.ts';
import { UnresolvedError } from '../virtual-machine/guest-compiler.ts';

const GIBIBYTE = 2 ** 30;

/** An image in Glance that disks can be made of. */
export interface GlanceImage {
  readonly tenant: string;
  /** Its id. */
  readonly image: string;
  readonly format: 'raw' | 'qcow2';
  /** Of the disk that a guest sees. */
  readonly sizeBytes: number;
}

/** Undefined for images of other sources. Throws UnresolvedError for those of Glance that cannot be had. */
export function glanceImageOf({ metadata: { name }, spec: { source: { glance }, format }, status }: VirtualMachineImage): GlanceImage | undefined {
  if (glance === undefined) return undefined;
  const refuse = (message: string): UnresolvedError => new UnresolvedError('ImageNotImportable', `image ${name} is in Glance of OpenStackTenant ${glance.tenant}, ${message}`);
  const known = status?.glance;
  if (known !== undefined && known.status !== 'active') throw refuse(`and is ${known.status} there`);
  if (format === 'qcow2') return { ...glance, format, sizeBytes: known?.virtualSizeBytes ?? smallestOf(known?.minimumDiskGiB, refuse) };
  if (known?.sizeBytes === undefined) throw refuse('which does not tell its size yet');
  // An iso is a disk as it is.
  return { ...glance, format: 'raw', sizeBytes: known.sizeBytes };
}

function smallestOf(minimumDiskGiB: number | undefined, refuse: (message: string) => UnresolvedError): number {
  if (minimumDiskGiB === undefined || minimumDiskGiB === 0) throw refuse('which does not tell how large the disk in it is: set min_disk of the image there');
  return minimumDiskGiB * GIBIBYTE;
}
