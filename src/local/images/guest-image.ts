import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdCompress, constants } from 'node:zlib';
import { YadoError } from '../../base/errors.ts';
import { silentProgress, type Progress } from '../../base/progress.ts';
import { run } from '../../base/process.ts';
import { cachedBuild } from './build-cache.ts';
import { cpioArchive } from './cpio-archive.ts';
import { FileTree } from './file-tree.ts';
import { concretePackage, librariesOf, unpackPackages, type PackageOptions } from './packages.ts';
import { tarArchive } from './tar-archive.ts';

/** The tiny guest: Debian's cloud kernel, busybox, the QEMU guest agent and an SSH server in an initial RAM disk. */
export interface GuestImage {
  /** The archive `tiny.tar` with the members `vmlinuz`, `initrd.img` and `cmdline`. */
  readonly path: string;
  /** The kernel command line that suits it. */
  readonly commandLine: string;
  /** Less memory than this does not boot. */
  readonly minimumMemoryMiB: number;
}

export interface ImageBuildOptions {
  /** Where built images are kept and found again. */
  readonly cacheFolder: string;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** What is left out saves time at boot: probing, mitigations and messages that such a guest does not need. */
export const guestCommandLine =
  'console=ttyS0 quiet loglevel=3 panic=-1 tsc=reliable no_timer_check mitigations=off random.trust_cpu=on i8042.noaux i8042.nomux i8042.nopnp 8250.nr_uarts=1 net.ifnames=0 rdinit=/init';

export const guestMemoryFloorMiB = 128;

/** The kernel modules of a guest; what they depend on is added. */
export interface GuestModules {
  /** Loaded before the network and the seed are looked at. */
  readonly first: readonly string[];
  /** Loaded once the guest is ready. */
  readonly second: readonly string[];
  /** At hand for scripts in the guest. */
  readonly other: readonly string[];
}

export const tinyModules: GuestModules = {
  first: ['virtio_pci', 'virtio_net', 'virtio_blk', 'virtio_console'],
  second: ['button', 'evdev', 'virtio-rng', 'virtio_balloon'],
  other: ['isofs', 'ata_piix', 'sr_mod', 'virtiofs', 'overlay', 'veth', 'bridge'],
};

const scripts = ['agent', 'dhcp', 'network', 'seed', 'power-button', 'user-data'] as const;

/** Builds the tiny guest from Debian's packages, or finds the one built before. Needs apt and the network only then. */
export async function buildGuestImage(options: ImageBuildOptions): Promise<GuestImage> {
  const path = await cachedBuild({
    name: 'tiny.tar',
    cacheFolder: options.cacheFolder,
    inputs: await guestSources(),
    build: (folder) => (options.progress ?? silentProgress).step('building the guest image', async (step) => {
      step.update("fetching Debian's packages");
      const work = { folder, ...(options.signal === undefined ? {} : { signal: options.signal }) };
      const packages = await unpackGuestPackages(work);
      step.update('packing');
      const tree = await guestTree(packages, tinyModules, options.signal);
      return packGuest(packages, tree, guestCommandLine);
    }),
  });
  return { path, commandLine: guestCommandLine, minimumMemoryMiB: guestMemoryFloorMiB };
}

/** What every guest depends on that is built here. */
export async function guestSources(): Promise<readonly string[]> {
  return [await readFile(new URL(import.meta.url), 'utf8'), ...(await readAssets()).values()];
}

/** Folders of the unpacked packages of every guest. */
export interface GuestPackages {
  readonly kernel: string;
  readonly busybox: string;
  readonly agent: string;
  readonly utilities: string;
  /** The SSH server, and the libraries that it needs and hosts seldom have. */
  readonly ssh: readonly [program: string, ...libraries: readonly string[]];
}

export async function unpackGuestPackages(work: PackageOptions): Promise<GuestPackages> {
  const architecture = (await run('dpkg', ['--print-architecture'])).trim();
  const kernelPackage = await concretePackage(`linux-image-cloud-${architecture}`, /^linux-image-\d.*-cloud-/, work);
  const [kernel = '', busybox = '', agent = '', utilities = '', dropbear = '', ...libraries] = await unpackPackages([kernelPackage, 'busybox', 'qemu-guest-agent', 'util-linux', 'dropbear-bin', 'libtomcrypt1', 'libtommath1'], work);
  return { kernel, busybox, agent, utilities, ssh: [dropbear, ...libraries] };
}

/** The archive that a VirtualMachineImage of format `tar` takes: kernel, initial RAM disk and command line. */
export async function packGuest(packages: GuestPackages, tree: FileTree, commandLine: string, zstdLevel = 19): Promise<Buffer> {
  const initrd = await promisify(zstdCompress)(cpioArchive(tree), { params: { [constants.ZSTD_c_compressionLevel]: zstdLevel } });
  return tarArchive(new FileTree().file('vmlinuz', await readKernel(packages.kernel)).file('initrd.img', initrd).file('cmdline', Buffer.from(`${commandLine}\n`)));
}

/** The files of the tiny guest; others begin with them. */
export async function guestTree(from: GuestPackages, modules: GuestModules, signal?: AbortSignal): Promise<FileTree> {
  const assets = await readAssets();
  const tree = new FileTree();
  for (const folder of ['dev', 'proc', 'sys', 'run', 'root', 'mnt', 'var', 'www', 'etc/acpi']) tree.folder(folder);
  tree.folder('tmp', 0o1777).link('var/run', '../run').characterDevice('dev/console', 5, 1).characterDevice('dev/null', 1, 3, 0o666);
  await addBusybox(tree, from.busybox, signal);
  await addFlock(tree, from.utilities, signal);
  await addSshServer(tree, from.ssh, signal);
  const agent = join(from.agent, 'usr/sbin/qemu-ga');
  await tree.copy('usr/sbin/qemu-ga', agent);
  for (const library of await librariesOf([agent], signal)) await tree.copy(library.slice(1), library);
  await addModules(tree, from.kernel, modules);
  const asset = (name: string) => assets.get(name) ?? '';
  tree.link('init', 'bin/busybox').file('etc/inittab', asset('inittab')).file('etc/rc', asset('rc'), 0o755).file('sbin/shutdown', asset('shutdown'), 0o755);
  for (const name of scripts) tree.file(`usr/lib/yadokari/${name}`, asset(name), 0o755);
  tree.file('usr/lib/yadokari/cloud-config.awk', asset('cloud-config.awk'));
  tree.file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n').file('etc/group', 'root:x:0:\n').file('etc/nsswitch.conf', 'hosts: files dns\n');
  tree.file('etc/os-release', 'ID=yadokari-tiny\nNAME="Yadokari tiny guest"\nPRETTY_NAME="Yadokari tiny guest"\nVERSION_ID=1\n');
  tree.file('etc/profile', "export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root PS1='\\h:\\w# '\ncd\n");
  return tree;
}

/** Debian's dynamically linked busybox with a link for each applet; its resolver works, which the static one's does not. */
export async function addBusybox(tree: FileTree, unpacked: string, signal?: AbortSignal): Promise<void> {
  const program = join(unpacked, 'bin/busybox');
  await tree.copy('bin/busybox', program);
  for (const library of await librariesOf([program], signal)) {
    await tree.copy(library.slice(1), library);
    if (library.includes('/libc.so')) await addNameServices(tree, library);
  }
  const applets = (await run(program, ['--list'])).split('\n').filter((name) => name !== '' && name !== 'busybox');
  for (const applet of applets) tree.link(`bin/${applet}`, 'busybox');
  tree.folder('sbin').folder('usr/bin').folder('usr/sbin');
}

/** Debian's busybox has no flock, by which files that are shared are locked. */
export async function addFlock(tree: FileTree, unpacked: string, signal?: AbortSignal): Promise<void> {
  const program = join(unpacked, 'usr/bin/flock');
  await tree.copy('bin/flock', program);
  for (const library of await librariesOf([program], signal)) await tree.copy(library.slice(1), library);
}

/** It makes its keys when somebody first asks for them. */
async function addSshServer(tree: FileTree, [unpacked, ...libraries]: GuestPackages['ssh'], signal?: AbortSignal): Promise<void> {
  const program = join(unpacked, 'usr/sbin/dropbear');
  await tree.copy('usr/sbin/dropbear', program);
  for (const library of await librariesOf([program], signal, libraries)) {
    const own = libraries.find((folder) => library.startsWith(folder));
    await tree.copy(library.slice(own === undefined ? 1 : own.length + 1), library);
  }
  tree.folder('etc/dropbear', 0o700);
}

/** The C library loads what resolves names when it is first needed; ldd does not tell. */
async function addNameServices(tree: FileTree, libc: string): Promise<void> {
  const folder = libc.slice(0, libc.lastIndexOf('/'));
  for (const name of ['libnss_dns.so.2', 'libnss_files.so.2']) {
    await tree.copy(`${folder.slice(1)}/${name}`, `${folder}/${name}`).catch(() => tree);
  }
}

async function addModules(tree: FileTree, kernel: string, wanted: GuestModules): Promise<void> {
  const modules = join(kernel, 'lib/modules');
  const release = (await readdir(modules))[0] ?? '';
  const files = new Map((await readdir(join(modules, release), { recursive: true })).filter((path) => path.endsWith('.ko')).map((path) => [moduleName(path), path]));
  const needs = new Map<string, readonly string[]>();
  const add = async (name: string): Promise<void> => {
    const file = files.get(name);
    if (needs.has(name) || file === undefined) return;
    const content = await readFile(join(modules, release, file));
    needs.set(name, dependenciesOf(content));
    tree.file(`lib/modules/${release}/${name}.ko`, withoutSignature(content));
    for (const needed of dependenciesOf(content)) await add(needed);
  };
  for (const name of [...wanted.first, ...wanted.second, ...wanted.other]) await add(moduleName(name));
  if (!needs.has('virtio_net')) throw new YadoError('ImageBuildFailed', `the kernel package has no virtio modules in ${modules}`, { disposition: 'stalled' });
  // modprobe loads what a module needs from the last to the first of its line.
  const loadOrder = (name: string): string[] => [...new Set((needs.get(name) ?? []).flatMap((needed) => [...loadOrder(needed), needed]))];
  const lines = [...needs.keys()].map((name) => `${name}.ko:${loadOrder(name).toReversed().map((needed) => ` ${needed}.ko`).join('')}\n`);
  tree.file(`lib/modules/${release}/modules.dep`, lines.join(''));
  const listed = (names: readonly string[]) => `${names.map(moduleName).filter((name) => needs.has(name)).join(' ')}\n`;
  tree.file('lib/modules/first', listed(wanted.first)).file('lib/modules/second', listed(wanted.second));
}

function moduleName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/\.ko$/, '').replaceAll('-', '_');
}

/** The names in a module's own `depends=` entry. */
function dependenciesOf(module: Buffer): readonly string[] {
  const start = module.indexOf('\0depends=');
  if (start < 0) return [];
  const value = module.subarray(start + 9, module.indexOf(0, start + 9)).toString('latin1');
  return value.split(',').filter((name) => name !== '').map(moduleName);
}

/** Checking a module's signature costs an emulated processor more than loading it, and this kernel does not insist on one. */
function withoutSignature(module: Buffer): Buffer {
  const magic = '~Module signature appended~\n';
  if (module.subarray(-magic.length).toString('latin1') !== magic) return module;
  const signatureBytes = module.readUInt32BE(module.length - magic.length - 4);
  return module.subarray(0, module.length - magic.length - 12 - signatureBytes);
}

async function readKernel(unpacked: string): Promise<Buffer> {
  const boot = join(unpacked, 'boot');
  const name = (await readdir(boot)).find((file) => file.startsWith('vmlinu'));
  if (name === undefined) throw new YadoError('ImageBuildFailed', `the kernel package has no kernel in ${boot}`, { disposition: 'stalled' });
  return readFile(join(boot, name));
}

async function readAssets(): Promise<ReadonlyMap<string, string>> {
  const names = [...scripts, 'inittab', 'rc', 'shutdown', 'cloud-config.awk'];
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(new URL(`./guest/${name}`, import.meta.url), 'utf8')] as const)));
}
