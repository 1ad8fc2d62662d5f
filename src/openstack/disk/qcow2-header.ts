import { OpenStackError } from '../errors.ts';

export const HEADER_BYTES = 104;
const MAGIC = 0x514649fb;
/** Of the features that a reader must know: the data is in another file. */
const EXTERNAL_DATA = 2n ** 2n;

/**
 * Refuses what would have QEMU open more than the image itself, since it may be anybody's: files on which it is based
 * or that have its data. https://qemu-project.gitlab.io/qemu/interop/qcow2.html
 */
export function checkHeader(image: string, header: Buffer): void {
  const refuse = (what: string): never => {
    throw new OpenStackError('InvalidRequest', `image: ${image} ${what}`, { service: 'image' });
  };
  if (header.length < HEADER_BYTES || header.readUInt32BE(0) !== MAGIC) refuse('is not of the format qcow2');
  const version = header.readUInt32BE(4);
  if (version !== 2 && version !== 3) refuse(`is qcow2 of version ${version}; 2 and 3 are known`);
  if (header.readBigUInt64BE(8) !== 0n) refuse('is based on another file; upload one that has all of its data');
  if (header.readUInt32BE(32) !== 0) refuse('is encrypted; upload one that is not');
  if (version === 3 && (header.readBigUInt64BE(72) & EXTERNAL_DATA) !== 0n) refuse('has its data in another file; upload one that has all of its data');
}
