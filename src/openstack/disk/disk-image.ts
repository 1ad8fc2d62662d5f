import type { ImageService } from '../image/port.ts';
import { ImageStream } from './image-stream.ts';
import type { DiskReader } from './port.ts';
import { Qcow2Image, type Qcow2ImageOptions } from './qcow2-image.ts';

export interface DiskImageOptions extends Qcow2ImageOptions {
  readonly format: 'raw' | 'qcow2';
}

/** The disk that an image of Glance holds. */
export async function openDiskImage(images: ImageService, { format, ...options }: DiskImageOptions): Promise<DiskReader> {
  const { image, clock, signal } = options;
  const file = await ImageStream.open({ images, image, scattered: format !== 'raw', clock, signal });
  return format === 'raw' ? file : Qcow2Image.open(file, options);
}
