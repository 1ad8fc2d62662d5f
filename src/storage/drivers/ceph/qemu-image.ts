import type { Place } from './catalog.ts';
import type { CephUser } from './settings.ts';

export interface QemuImageOptions {
  /** What QEMU calls it. */
  readonly node: string;
  readonly place: Place;
  readonly image: string;
  readonly user: Pick<CephUser, 'user'>;
  /** Paths of the files with the key and of the ceph.conf, as QEMU finds them. */
  readonly key: string;
  readonly conf: string;
  /** Further options of the block device, such as `snapshot`. */
  readonly more: object;
}

/** Options by which a QEMU opens an image of Ceph; the key is in none of them. https://www.qemu.org/docs/master/interop/qemu-storage-daemon-qmp-ref.html */
export function qemuImage({ node, place, image, user: { user }, key, conf, more }: QemuImageOptions): readonly string[] {
  return [
    '--object', `secret,id=key,format=base64,file=${key}`,
    '--blockdev', JSON.stringify({ driver: 'rbd', 'node-name': node, ...place, image, user, 'key-secret': 'key', conf, ...more }),
  ];
}
