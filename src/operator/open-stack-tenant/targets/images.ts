import type { VirtualMachineImageStatus } from '../../../api/virtual-machine-image.ts';
import { virtualMachineImages, type VirtualMachineImage } from '../../../kube/yadokari.ts';
import { imageProblem, isPassing } from '../../../openstack/counterparts.ts';
import type { Image } from '../../../openstack/image/port.ts';
import { NAME_LIMIT, objectNameOf } from '../names.ts';
import { defined } from '../patch.ts';
import { impossible, isObserved, wanted, type Target } from '../target.ts';

const DIGITS: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 };

/** Images are VirtualMachineImages whose source is Glance. */
export const images: Target<Image, VirtualMachineImage> = {
  name: 'images',
  source: 'images',
  resource: virtualMachineImages,
  isOn: (spec) => isObserved(spec.images),
  isChosen: (image) => !isPassing(image),
  baseName: ({ name, id }) => objectNameOf(name, id, NAME_LIMIT),
  originalName: ({ name }) => name,
  nameLimit: NAME_LIMIT,
  whole: new Set(['spec', 'status.glance']),
  isFixed: (paths) => paths.some((path) => path.startsWith('spec')),
  map(image, { tenant, isSnapshot }) {
    if (isSnapshot(image.id)) return { kind: 'elsewhere' };
    const problem = imageProblem(image);
    if (problem !== undefined) return impossible(problem);
    const { id, diskFormat } = image;
    const checksum = checksumOf(image);
    return wanted({
      body: { spec: defined({ source: { glance: { tenant: tenant.metadata.name, image: id } }, format: diskFormat, checksum }) },
      status: { glance: glanceStatusOf(image) },
    });
  },
};

export function glanceStatusOf({ status, visibility, sizeBytes, virtualSizeBytes, minimumDiskGiB, minimumMemoryMiB, properties }: Image): NonNullable<VirtualMachineImageStatus['glance']> {
  return defined({ status, visibility, sizeBytes, virtualSizeBytes, minimumDiskGiB, minimumMemoryMiB, properties: Object.keys(properties).length === 0 ? undefined : properties });
}

function checksumOf({ hash }: Image): string | undefined {
  if (hash === undefined || hash.hex.length !== DIGITS[hash.algorithm] || !/^[0-9a-f]+$/.test(hash.hex)) return undefined;
  return `${hash.algorithm}:${hash.hex}`;
}
