import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../src/base/process.ts';
import { silentProgress } from '../../src/base/progress.ts';
import { destroyCgroup, detectHierarchies, ensureCgroup, entryFiles, type CgroupHierarchy } from '../../src/local/cgroup.ts';
import { ensureReleaseImages, type ReleaseImageName } from '../../src/local/images/release/release-images.ts';
import { tiedProgram } from '../env/tied.ts';

const root = join(import.meta.dirname, '../..');
const folder = await mkdtemp(join(tmpdir(), 'yado-release-images-'));
const build = <Name extends ReleaseImageName>(cache: string, ...only: readonly Name[]) => ensureReleaseImages<Name>({ cache, root, environment: process.env, progress: silentProgress, only });
/** Shared by the runs of this test, as packages need not be fetched again. */
const cache = join(tmpdir(), 'yado-test-release-images');

async function until(what: string, seconds: number, check: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !(await check().catch(() => false)); await sleep(100)) assert.ok(Date.now() < end, `waited for ${what}`);
}

/** A machine that has nothing but a container runtime: namespaces with folders, cgroups and process ids of their own. */
class Host {
  static readonly #folders = ['/var/lib/containerd', '/var/lib/libvirt', '/var/lib/yadokari', '/var/log/libvirt', '/var/cache/libvirt', '/etc/libvirt'];
  static readonly #cgroup = `yado-release-images-${process.pid}`;
  readonly #child: ChildProcess;
  readonly #pid: number;
  readonly #hierarchies: readonly CgroupHierarchy[];

  private constructor(child: ChildProcess, pid: number, hierarchies: readonly CgroupHierarchy[]) {
    this.#child = child;
    this.#pid = pid;
    this.#hierarchies = hierarchies;
  }

  static async start(): Promise<Host> {
    const hierarchies = await detectHierarchies();
    await ensureCgroup(hierarchies, Host.#cgroup);
    const binds = await Promise.all(Host.#folders.map(async (path) => {
      await mkdir(join(folder, path), { recursive: true });
      await mkdir(path, { recursive: true });
      return `mount --bind ${join(folder, path)} ${path}`;
    }));
    const mounts = hierarchies.map(({ mountPoint, version, mountOptions }) => `mkdir -p ${mountPoint}; mount -t ${version === 2 ? 'cgroup2' : `cgroup -o ${mountOptions}`} cgroup ${mountPoint}`);
    const boot = ['set -e', 'mount --make-rprivate /', 'mount -t proc proc /proc', 'mount -t sysfs sysfs /sys',
      ...(hierarchies.some(({ mountPoint }) => mountPoint !== '/sys/fs/cgroup') ? ['mount -t tmpfs tmpfs /sys/fs/cgroup'] : []), ...mounts,
      'mount -t tmpfs tmpfs /run', 'mkdir -p /run/libvirt', ...binds, 'mount --make-rshared /', 'ip link set lo up', 'echo booted', 'exec tini -s -- sleep infinity'].join('\n');
    const enter = entryFiles(hierarchies, Host.#cgroup).map((file) => `echo 0 > ${file}`).join('\n');
    const child = spawn('setpriv', [...tiedProgram, 'sh', '-c', `${enter}\nexec unshare --mount --pid --fork --uts --ipc --net --cgroup --kill-child sh -c '${boot}'`], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', () => reject(new Error('the host did not boot')));
    });
    const pid = Number((await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).trim());
    const host = new Host(child, pid, hierarchies);
    await writeFile(join(folder, 'containerd.toml'), 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[plugins."io.containerd.runtime.v1.linux"]\n');
    host.#spawn('containerd', '-c', join(folder, 'containerd.toml'));
    await until('containerd', 10, async () => (await host.ctr('version')) !== '');
    return host;
  }

  run(...command: readonly string[]): Promise<string> {
    return run('nsenter', this.#inside(command), { timeoutMs: 60_000 });
  }

  ctr(...args: readonly string[]): Promise<string> {
    return this.run('ctr', '-n', 'k8s.io', ...args);
  }

  /** Runs a program in a container of its own, in place of what the image starts. */
  async inContainer(image: string, ...command: readonly string[]): Promise<string> {
    return this.ctr('run', '--rm', image, `once-${Math.random().toString(36).slice(2)}`, ...command);
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
    await destroyCgroup(this.#hierarchies, Host.#cgroup);
  }

  #spawn(...command: readonly string[]): void {
    spawn('nsenter', this.#inside(command), { stdio: 'ignore' });
  }

  #inside(command: readonly string[]): readonly string[] {
    return [`--target=${this.#pid}`, '--mount', '--pid', '--uts', '--ipc', '--net', '--cgroup', '--', ...command];
  }
}

describe('release images', { timeout: 900_000 }, () => {
  let host: Host;
  const images: Partial<Record<ReleaseImageName, string>> = {};
  const imported = async (name: ReleaseImageName): Promise<string> => {
    const built = (await build(cache, name))[name];
    if (images[name] === undefined) await host.ctr('images', 'import', built.archive);
    return (images[name] = built.reference);
  };

  before(async () => {
    host = await Host.start();
  });
  after(async () => {
    await host.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  });

  test('the same sources give the same digest in another cache, and the archive is small', async () => {
    const [one, two] = await Promise.all([build(cache, 'operator'), build(join(folder, 'cache'), 'operator')]);
    assert.notEqual(one.operator.archive, two.operator.archive);
    assert.equal(one.operator.digest, two.operator.digest);
    assert.deepEqual(await readFile(one.operator.archive), await readFile(two.operator.archive));
    assert.ok((await stat(one.operator.archive)).size < 45 * 1024 * 1024);
  });

  test('the list of parts names packages, Node.js and modules with their versions', async () => {
    const { operator } = await build(cache, 'operator');
    const document = JSON.parse(await readFile(operator.sbom, 'utf8')) as { readonly packages: readonly { readonly name: string; readonly versionInfo: string }[] };
    const version = (name: string) => document.packages.find((part) => part.name === name)?.versionInfo;
    assert.match(version('libc6') ?? '', /^2\./);
    assert.match(version('node') ?? '', /^24\./);
    const { version: installed } = JSON.parse(await readFile(join(root, 'node_modules/pino/package.json'), 'utf8')) as { readonly version: string };
    assert.equal(version('pino'), installed);
    assert.equal(version('perl-base'), undefined);
  });

  test('the operator runs without a shell and without being root', async () => {
    const image = await imported('operator');
    assert.match(await host.ctr('run', '--rm', image, 'operator-help', '/usr/bin/node', '/usr/lib/yadokari/yado-operator.mjs', '--help'), /--leader-election|leadership/);
    assert.equal((await host.inContainer(image, '/usr/bin/node', '-p', 'process.getuid() + ":" + process.getgid()')).trim(), '65532:65532');
    await assert.rejects(host.inContainer(image, '/bin/sh', '-c', 'true'));
  });

  test('the drivers of volumes have what they call', async () => {
    const image = await imported('csi');
    assert.match(await host.inContainer(image, '/usr/bin/node', '/usr/lib/yadokari/yado-csi.mjs', '--help'), /--storage-backend/);
    for (const [command, answer] of [
      ['bin/mount --version', /util-linux/], ['sbin/losetup --version', /util-linux/], ['sbin/blkid --version', /util-linux/], ['sbin/fsfreeze --version', /util-linux/], ['bin/cp --version', /coreutils/], ['bin/btrfs --version', /btrfs-progs/],
      ['sbin/mkfs.ext4 -V', /mke2fs 1/], ['sbin/resize2fs', /resize2fs 1/], ['sbin/mkfs.xfs -V', /mkfs.xfs version/], ['sbin/mount.nfs4 -V', /nfs-utils/], ['bin/ceph-fuse --version', /ceph version/],
      ['bin/qemu-storage-daemon --version', /qemu-storage-daemon version/],
      // Opening fails for want of a cluster, and not of the driver.
      [`bin/qemu-storage-daemon --blockdev driver=rbd,node-name=a,pool=p,image=i,conf=/nowhere`, /error (reading conf file|connecting)/],
    ] as const) assert.match(await host.inContainer(image, 'sh', '-c', `/usr/${command} 2>&1; true`), answer, command);
    assert.match(await host.inContainer(image, '/usr/bin/python3', '-I', '-c', 'import concurrent.futures, json, rados, rbd; print("all")'), /all/);
  });

  test('the agent has what its drivers call', async () => {
    const image = await imported('agent');
    assert.match(await host.inContainer(image, '/usr/bin/node', '/usr/lib/yadokari/yado-agent.mjs', '--help'), /--libvirt-socket/);
    // By their paths, since busybox's shell prefers its own.
    for (const [command, answer] of [
      ['bin/ip -V', /iproute2/], ['sbin/tc -V', /iproute2/], ['sbin/nft --version', /nftables/], ['bin/qemu-img --version', /qemu-img version/], ['sbin/bird --version', /BIRD/], ['bin/tar --version', /GNU tar/],
      ['bin/cp --version', /coreutils/], ['bin/nsenter --version', /util-linux/], ['bin/qemu-system-x86_64 --version', /QEMU/], ['bin/genisoimage -version', /genisoimage/],
      ['bin/setpriv --version', /util-linux/],
      // Opening fails for want of a server, and not of the driver.
      ['bin/qemu-storage-daemon --blockdev driver=http,node-name=a,read-only=on,url=http://127.0.0.1:9/a', /CURL: .*(refused|connect)/i],
    ] as const) assert.match(await host.inContainer(image, 'sh', '-c', `/usr/${command} 2>&1; true`), answer, command);
    const seed = 'mkdir /tmp/seed && echo "instance-id: x" > /tmp/seed/meta-data && genisoimage -quiet -V cidata -J -R -o /tmp/seed.iso /tmp/seed && stat -c %s /tmp/seed.iso';
    assert.ok(Number(await host.inContainer(image, 'sh', '-c', seed)) > 0);
    // Firmware that writes 16 to the exit device at once: what tells an accelerator that works.
    const probe = "(head -c 65520 /dev/zero; printf '\\260\\020\\346\\364'; head -c 12 /dev/zero) > /tmp/f; /usr/bin/qemu-system-x86_64 -accel tcg -machine pc -m 4 -nodefaults -no-user-config -display none -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=1 -bios /tmp/f; echo $?";
    assert.equal((await host.inContainer(image, 'sh', '-c', probe)).trim(), '33');
    assert.match(await host.inContainer(image, 'sh', '-c', 'CNI_COMMAND=VERSION /opt/cni/bin/yado-cni < /dev/null'), /supportedVersions/);
  });

  test('libvirt answers, and its guest outlives the container, killed or stopped', async () => {
    const image = await imported('libvirt');
    await host.run('mkdir', '-p', '/var/lib/yadokari');
    const start = (name: string) => host.ctr('run', '-d', '--privileged', '--net-host', '--with-ns', 'pid:/proc/1/ns/pid', ...['/var/lib/yadokari', '/run/libvirt'].flatMap((path) => ['--mount', `type=bind,src=${path},dst=${path},options=rbind:rw`]), image, name);
    const virsh = (name: string, ...args: readonly string[]) => host.ctr('tasks', 'exec', '--exec-id', `x${Math.random().toString(36).slice(2)}`, name, 'virsh', ...args);
    const end = async (name: string, signal: string) => {
      await host.ctr('tasks', 'kill', '-s', signal, name);
      await until(`the end of ${name}`, 20, async () => !/RUNNING/.test((await host.ctr('tasks', 'list')).split('\n').find((line) => line.startsWith(`${name} `)) ?? ''));
      await host.ctr('tasks', 'delete', name).catch(() => {});
      await host.ctr('containers', 'delete', name);
    };
    const answers = (name: string) => until('libvirt', 30, async () => /QEMU/.test(await virsh(name, 'version')));
    await start('one');
    await answers('one');
    const guest = "<domain type='qemu'><name>crab</name><memory unit='MiB'>80</memory><os><type arch='x86_64' machine='pc'>hvm</type></os><devices><serial type='pty'/></devices></domain>";
    await host.run('sh', '-c', `echo "${guest}" > /var/lib/yadokari/crab.xml`);
    await virsh('one', 'define', '/var/lib/yadokari/crab.xml');
    await virsh('one', 'start', 'crab');
    const pid = (await host.run('cat', '/run/libvirt/qemu/crab.pid')).trim();
    const cgroups = await host.run('cat', `/proc/${pid}/cgroup`);
    assert.match(await host.run('sh', '-c', 'find /sys/fs/cgroup -path "*k8s.io/one/cgroup.procs" -exec cat {} +'), /\d/);
    assert.doesNotMatch(cgroups, /k8s\.io/);
    await end('one', 'SIGKILL');
    await host.run('kill', '-0', pid);
    await start('two');
    await answers('two');
    assert.match(await virsh('two', 'list'), /crab +running/);
    await end('two', 'SIGTERM');
    await until('the end of libvirtd', 10, () => host.run('pgrep', '-x', 'libvirtd').then(() => false, () => true));
    await host.run('kill', '-0', pid);
    await assert.rejects(host.ctr('run', '--rm', '--privileged', image, 'blind'), /hostPID/);
    await start('three');
    await answers('three');
    assert.match(await virsh('three', 'list'), /crab +running/);
    assert.equal((await host.run('cat', '/run/libvirt/qemu/crab.pid')).trim(), pid);
    await virsh('three', 'destroy', 'crab');
    await until('the end of the guest', 10, () => host.run('kill', '-0', pid).then(() => false, () => true));
    await end('three', 'SIGTERM');
  });

  test('a pod can rest in pause without being root', async () => {
    const image = await imported('pause');
    await host.ctr('run', '-d', image, 'pause');
    assert.match(await host.ctr('tasks', 'list'), /pause +\d+ +RUNNING/);
    assert.match(await host.ctr('images', 'list', '-q'), /localhost\/yadokari\/pause:1\n/);
    await host.ctr('tasks', 'kill', '-s', 'SIGKILL', 'pause');
  });
});
