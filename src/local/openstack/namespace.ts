import { join } from 'node:path';
import { INSIDE, SHARE_FOLDER, type OpenStackPlace } from './place.ts';

/** The folders that are there before any process is. */
export const siteFolders = [
  'programs', 'python', 'etc', 'home', 'tmp', 'lock', 'volumes', 'images', 'image-tasks', 'image-staging', 'fernet', 'credential-keys', 'neutron',
  'nova/instances', `nova/mnt/${SHARE_FOLDER}`, `cinder/mnt/${SHARE_FOLDER}`,
] as const;

/**
 * The share of volumes is no NFS: it is found mounted already. All that is mounted ends with the process. What others have
 * mounted is theirs: a copy here would keep volumes and devices in use that they let go of, unless the host shares its mounts.
 */
const ENTER = `set -e
while read -r source target kind rest; do
  case "$1/ $2/" in *"$target/"*) continue;; esac
  case "$source $kind" in /dev/loop*|/dev/rbd*|/dev/drbd*|*" fuse"*|*" nfs"*|*" ceph") umount --lazy -- "$target" || true;; esac
done < /proc/self/mounts
mount --bind "$1" "$2/programs"
for user in nova cinder; do mount --bind "$2/volumes" "$2/$user/mnt/$3"; done
mount --rbind "$2" ${INSIDE}
cd ${INSIDE}
shift 3
exec "$@"`;

const environment = [
  `HOME=${INSIDE}/home`, `TMPDIR=${INSIDE}/tmp`, 'LANG=C.UTF-8', `PATH=${INSIDE}/programs/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
  // Our own modules, and the libraries that are unpacked only.
  `PYTHONPATH=${INSIDE}/python:${INSIDE}/programs/usr/lib/python3/dist-packages`, 'PYTHONDONTWRITEBYTECODE=1',
];

/** A command that sees the folder at its place inside; it becomes the process that is started, so that signals reach it. */
export function insideOf({ folder, programs }: Pick<OpenStackPlace, 'folder' | 'programs'>, command: readonly string[]): readonly string[] {
  return ['unshare', '--mount', '--propagation', 'slave', 'sh', '-c', ENTER, 'sh', programs, folder, SHARE_FOLDER, 'env', '-i', ...environment, ...command];
}

/** Where a file of the inside is on this machine. */
export function outsideOf({ folder }: Pick<OpenStackPlace, 'folder'>, path: string): string {
  return join(folder, path.slice(INSIDE.length));
}
