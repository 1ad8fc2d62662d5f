import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cachedBuild } from '../../src/local/images/build-cache.ts';
import { FileTree } from '../../src/local/images/file-tree.ts';
import { unpackPackages } from '../../src/local/images/packages.ts';
import { tarArchive } from '../../src/local/images/tar-archive.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { packagedKernel, type UserModeKernel } from './user-mode-kernel.ts';
import { tiedProgram } from './tied.ts';

/** Makes a root of this machine's files, of which it changes none. `/run` has what the kernel came with. */
const init = `#!/bin/sh
mount -t proc proc /proc
mount -t tmpfs -o size=90% new /mnt
mkdir /mnt/files /mnt/work /mnt/new
modules=$(echo /run/modules/*)
[ ! -d "$modules" ] || /run/busybox insmod $modules/kernel/fs/overlayfs/overlay.ko
mount -t overlay -o lowerdir=/,upperdir=/mnt/files,workdir=/mnt/work new /mnt/new
cd /mnt/new
mount -t proc proc proc; mount -t sysfs sys sys; mount -t devtmpfs dev dev
mkdir -p dev/pts dev/shm lib/modules
mount -t devpts devpts dev/pts
for name in run dev/shm tmp; do mount -t tmpfs $name $name; done
cp /run/begin /run/command /run/busybox run/
[ ! -d "$modules" ] || cp -r $modules lib/modules/
pivot_root . mnt
exec /bin/sh /run/begin </dev/console >/dev/console 2>&1
`;

/** Runs the command in it. */
const begin = `umount -l /mnt
/run/busybox hostname guest
[ ! -d /lib/modules/$(uname -r) ] || /run/busybox depmod
ip link set lo up
# What it says goes through a pipe, which is no terminal; and it may leave something that runs.
{ /bin/sh /run/command; echo "ended with $?"; } </dev/null 2>&1 | sed -u '/^ended with [0-9]*$/q'
/run/busybox poweroff -f
`;

/** Kernel, modules if it has any, and busybox. */
function archiveOf(kernel: UserModeKernel): Promise<string> {
  return cachedBuild({
    name: `user-mode-${kernel.name}.tar`, cacheFolder: join(defaultCacheRoot, 'images'), inputs: kernel.inputs,
    build: async (folder) => {
      const [made, packages] = [join(folder, 'kernel'), join(folder, 'packages')];
      await Promise.all([mkdir(made), mkdir(packages)]);
      const { program, modules } = await kernel.build(made);
      const [busybox = ''] = await unpackPackages(['busybox'], { folder: packages });
      const tree = await new FileTree().copy('linux', program);
      await tree.copy('busybox', join(busybox, 'bin/busybox'));
      if (modules !== undefined) await tree.copyFolder('modules', modules);
      return tarArchive(tree);
    },
  });
}

/** The kernel is a program, whose memory is a file; all that it runs ends with it, and it with the test. `$0` is the archive; what follows are scripts. */
const outside = (memoryMiB: number): string => `
mount -t tmpfs run /run
cd /run && tar -xf "$0"
printf '%s' "$1" > init; printf '%s' "$2" > begin; printf '%s' "$3" > command
chmod 755 init
TMPDIR=/run exec ./linux mem=${memoryMiB}M root=/dev/root rootfstype=hostfs rootflags=/ ro init=/run/init quiet con=null con0=fd:0,fd:1 </dev/null`;

export interface UserModeOptions {
  /** Default: Debian's package. */
  readonly kernel?: UserModeKernel;
  readonly memoryMiB: number;
  readonly timeoutMs: number;
  readonly onOutput?: (text: string) => void;
}

export interface UserModeRun {
  readonly exitCode: number | undefined;
  readonly output: string;
}

/**
 * Runs a shell command on this machine's files under a kernel of its own, without an emulator: Linux as a program
 * (https://docs.kernel.org/virt/uml/user_mode_linux_howto_v2.html). It has no network but its own, and one processor.
 */
export async function runInUserMode(command: string, { kernel = packagedKernel, memoryMiB, timeoutMs, onOutput }: UserModeOptions): Promise<UserModeRun> {
  const words = [...tiedProgram, 'unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-ec', outside(memoryMiB), await archiveOf(kernel), init, begin, command];
  const child = spawn('setpriv', words, { stdio: ['ignore', 'pipe', 'inherit'], timeout: timeoutMs, killSignal: 'SIGKILL' });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    onOutput?.(text);
  });
  await once(child, 'close');
  const [, code] = /^ended with (\d+)\s*$/m.exec(output) ?? [];
  return { exitCode: code === undefined ? undefined : Number(code), output };
}
