import { createHash } from 'node:crypto';
import { GROUP } from './group.ts';

/** On pods that copy an image: an ImageCopy, as JSON. */
export const ANNOTATION_IMAGE_COPY = `${GROUP}/image-copy`;
/** Condition of such a pod, written by its node's agent: True when the copy is whole. */
export const CONDITION_IMAGE_COPIED = `${GROUP}/image-copied`;
/** On claims and pods that hold an image: its name. */
export const LABEL_IMAGE = `${GROUP}/image`;
/** On a claim that holds an image, once it is whole: the image's key. */
export const ANNOTATION_IMAGE_KEY = `${GROUP}/image-key`;

/** Where an image is to be copied in a StorageClass, for claims of machines to be cloned from. */
export interface ImagePlace {
  readonly image: string;
  /** What tells the image's content from another's. */
  readonly key: string;
  readonly storageClassName: string;
  readonly mode: 'Block' | 'Filesystem';
}

/** Of the claim that holds the image. */
export function imageClaimName({ image, key, storageClassName, mode }: ImagePlace): string {
  return `image-${image.slice(0, 200)}-${createHash('sha256').update(`${key}/${storageClassName}/${mode}`).digest('hex').slice(0, 8)}`;
}

/** Of the claim that a machine's disk in a StorageClass has. */
export function diskClaimName(machine: string, disk: string): string {
  return `${machine}-${disk}`;
}

/** Name of the volume of a pod that copies an image. */
export const COPY_VOLUME = 'image';
