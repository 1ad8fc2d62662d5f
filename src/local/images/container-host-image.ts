import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentProgress } from '../../base/progress.ts';
import { cachedBuild } from './build-cache.ts';
import { pauseImage, pauseImageName } from './container-images.ts';
import type { FileTree } from './file-tree.ts';
import { buildGoProgram } from './go-program.ts';
import { guestCommandLine, guestSources, guestTree, packGuest, tinyModules, unpackGuestPackages, type GuestImage, type GuestModules, type ImageBuildOptions } from './guest-image.ts';
import { ociArchive } from './oci-archive.ts';
import { librariesOf, unpackPackages } from './packages.ts';

export interface ContainerHostImageOptions extends ImageBuildOptions {
  /** Folder of the relay's Go sources. */
  readonly relaySource: string;
  /** Where a Go compiler is kept when the host has none. */
  readonly toolchainCache: string;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * Others' code runs here side by side, so what keeps it apart stays on. The initial RAM disk's own file system would
 * end at half of the memory; ramfs does not.
 */
const commandLine = `${guestCommandLine.replace(' mitigations=off', '')} rootfstype=ramfs`;

const memoryFloorMiB = 256;

/** Of this much, a tenth smaller would take ten times as long. */
const zstdLevel = 12;

const modules: GuestModules = {
  first: [...tinyModules.first, 'overlay', 'veth'],
  second: tinyModules.second,
  other: ['isofs', 'virtiofs', 'ext4', 'crc32c_generic'],
};

/** Programs by their paths in their packages and in the guest. */
const programs: Readonly<Record<string, readonly string[]>> = {
  containerd: ['usr/bin/containerd', 'usr/bin/containerd-shim-runc-v2', 'usr/bin/ctr'],
  runc: ['usr/sbin/runc'],
  e2fsprogs: ['sbin/mke2fs'],
};

const executables = ['init', 'rc', 'data-disk', 'late'] as const;

/**
 * Builds the guest that hosts containers: the tiny guest with containerd, runc and the relay. It has no kubelet, no
 * credentials and, until its host says so, no network for pods. Needs apt and the network only when it is not built yet.
 */
export async function buildContainerHostImage(options: ContainerHostImageOptions): Promise<GuestImage> {
  const assets = await readAssets();
  const relay = await buildRelay(options);
  const path = await cachedBuild({
    name: 'container-host.tar',
    cacheFolder: options.cacheFolder,
    inputs: [await readFile(import.meta.filename, 'utf8'), relay, ...assets.values(), ...(await guestSources())],
    build: (folder) => (options.progress ?? silentProgress).step('building the guest image for containers', async (step) => {
      step.update("fetching Debian's packages");
      const work = { folder, ...(options.signal === undefined ? {} : { signal: options.signal }) };
      const packages = await unpackGuestPackages(work);
      const names = [...Object.keys(programs), 'ca-certificates'];
      const unpacked = new Map((await unpackPackages(names, work)).map((path, index) => [names[index] ?? '', path]));
      step.update('packing');
      const tree = await guestTree(packages, modules, options.signal);
      await addPrograms(tree, unpacked, options.signal);
      tree.file('usr/lib/yadokari/yado-relay', await readFile(relay), 0o755);
      tree.file('etc/ssl/certs/ca-certificates.crt', await authorities(unpacked.get('ca-certificates') ?? ''));
      tree.file('usr/share/yadokari/pause.tar', (await ociArchive([pauseImage([pauseImageName])])).content);
      addAssets(tree, assets);
      return packGuest(packages, tree, commandLine, zstdLevel);
    }),
  });
  return { path, commandLine, minimumMemoryMiB: memoryFloorMiB };
}

/** Path of the relay's program. */
export async function buildRelay(options: ContainerHostImageOptions): Promise<string> {
  const { relaySource: source, toolchainCache: cache, cacheFolder, environment, progress = silentProgress, signal } = options;
  const { path } = await buildGoProgram({ source, cache, cacheFolder, environment, progress, ...(signal === undefined ? {} : { signal }) });
  return path;
}

async function addPrograms(tree: FileTree, unpacked: ReadonlyMap<string, string>, signal?: AbortSignal): Promise<void> {
  const sources = Object.entries(programs).flatMap(([name, paths]) => paths.map((path) => [path, join(unpacked.get(name) ?? '', path)] as const));
  for (const [path, source] of sources) await tree.copy(path, source);
  for (const library of await librariesOf(sources.map(([, source]) => source), signal)) await tree.copy(library.slice(1), library);
}

/** Whom a runtime trusts that pulls from registries: all that Debian does. */
async function authorities(unpacked: string): Promise<string> {
  const folder = join(unpacked, 'usr/share/ca-certificates');
  const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.crt')).sort();
  return (await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')))).join('');
}

function addAssets(tree: FileTree, assets: ReadonlyMap<string, string>): void {
  const asset = (name: string) => assets.get(name) ?? '';
  tree.file('init', asset('init'), 0o755).link('sbin/init', '../bin/busybox').link('sbin/modprobe', '../bin/busybox').file('etc/rc', asset('rc'), 0o755).file('etc/inittab', asset('inittab'));
  for (const name of ['data-disk', 'late']) tree.file(`usr/lib/yadokari/${name}`, asset(name), 0o755);
  tree.file('etc/containerd/config.toml', asset('containerd.toml')).folder('etc/cni/net.d').folder('opt/cni/bin').folder('root', 0o700).file('etc/resolv.conf', '');
  tree.file('etc/os-release', 'ID=yadokari-container-host\nNAME="Yadokari container host"\nPRETTY_NAME="Yadokari container host"\nVERSION_ID=1\n');
}

async function readAssets(): Promise<ReadonlyMap<string, string>> {
  const names = [...executables, 'inittab', 'containerd.toml'];
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(new URL(`./container-host/${name}`, import.meta.url), 'utf8')] as const)));
}
