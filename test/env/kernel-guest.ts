import { join } from 'node:path';
import { cachedBuild } from '../../src/local/images/build-cache.ts';
import { guestCommandLine, guestSources, guestTree, packGuest, unpackGuestPackages, type GuestModules } from '../../src/local/images/guest-image.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';

/** Without which it does not start. */
const FIRST = ['virtio_pci', 'virtiofs', 'overlay', 'crc32c_generic', 'virtio_net'];

/** From this machine's files, of which it changes none, to the end of the command; its standard output is the console. */
const init = `#!/bin/busybox sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
modprobe -a $(cat /lib/modules/first)
mkdir -p /lower /upper /new
mount -t virtiofs -o ro root /lower
mount -t tmpfs upper /upper
mkdir /upper/files /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work overlay /new
for name in proc sys dev; do mount --move /$name /new/$name 2>/dev/null || mount --rbind /$name /new/$name; done
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts devpts /new/dev/pts
for name in run dev/shm; do mount -t tmpfs $name /new/$name; done
cp -r /lib/modules /new/lib/
chroot /new depmod 2>/dev/null
hostname guest
ip link set lo up
sed 's/.* -- //' /new/proc/cmdline | base64 -d > /new/run/command
chroot /new /bin/sh /run/command > /new/dev/console 2>&1
echo "ended with $?" > /new/dev/console
poweroff -f
`;

/** Kernel and initial RAM disk of a guest that runs a command on this machine's files under Debian's own kernel; with more modules at hand. */
export async function kernelGuestImage(more: readonly string[]): Promise<string> {
  const wanted: GuestModules = { first: FIRST, second: [], other: more };
  return cachedBuild({
    name: 'kernel-guest.tar', cacheFolder: join(defaultCacheRoot, 'images'), inputs: [init, JSON.stringify(wanted), ...await guestSources()],
    build: async (folder) => {
      const packages = await unpackGuestPackages({ folder });
      const tree = await guestTree(packages, wanted);
      return packGuest(packages, tree.file('init', init, 0o755), guestCommandLine, 3);
    },
  });
}

/**
 * All files are in memory; both programs end with the shell, which ends with QEMU. `$0` is the image. With one processor:
 * what V8 writes as code on one that is emulated is now and then not what another runs.
 */
export function guestScript(command: string, memoryMiB: number, devices: string): string {
  const line = `${guestCommandLine.replace('quiet ', 'quiet rootfstype=ramfs ')} -- ${Buffer.from(command).toString('base64')}`;
  return `
mount -t tmpfs run /run
mkdir /run/root && mount --bind / /run/root
cd /run && tar -xf "$0"
/usr/lib/qemu/virtiofsd --socket-path=/run/fs.sock -o source=/run/root -o cache=always -o sandbox=namespace -f >virtiofsd.log 2>&1 &
while [ ! -S fs.sock ]; do kill -0 $! || { cat virtiofsd.log >&2; exit 1; }; sleep 0.05; done
qemu-system-x86_64 -accel tcg,thread=multi,tb-size=256 -machine pc,memory-backend=memory -smp 1 -cpu max -m ${memoryMiB} \\
  -object memory-backend-memfd,id=memory,size=${memoryMiB}M,share=on -nodefaults -no-user-config -display none -no-reboot \\
  -kernel vmlinuz -initrd initrd.img -append '${line}' -serial stdio \\
  -chardev socket,id=fs,path=/run/fs.sock -device vhost-user-fs-pci,chardev=fs,tag=root ${devices}`;
}
