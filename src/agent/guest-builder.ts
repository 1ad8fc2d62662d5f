import { access, mkdir, readFile, rm, truncate } from 'node:fs/promises';
import path from 'node:path';
import type { CompiledCloudInit, CompiledDisk, CompiledImage } from '../api/compiled-guest.ts';
import { errnoOf, messageOf } from '../base/errors.ts';
import { isNotFound } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { secrets } from '../kube/core.ts';
import { macAddressOf } from '../network/handle.ts';
import type { GuestEndpoint } from '../network/port.ts';
import type { CloudInitSeed, DiskStore, GuestBoot, GuestDefinition, GuestDisk, GuestFilesystem, ImportedImage, ImportProgress } from '../vm/port.ts';
import type { Anchor } from './anchor.ts';
import type { GuestVolumes } from './guest-volumes.ts';
import { RELAY_CHANNEL, relaySocket } from './relay-paths.ts';
import { ensureRelayKeys, filesForRelay } from './relay-keys.ts';
import { GuestBuildError, type ImageFiles } from './image-files.ts';
import { ImageImportingError, type ImageImports } from './image-imports.ts';
import type { ImageReporter } from './image-reporter.ts';

export interface GuestBuilderOptions {
  readonly client: KubeClient;
  readonly imports: ImageImports;
  readonly imageReporter: ImageReporter;
  readonly disks: DiskStore;
  readonly volumes: GuestVolumes;
  readonly imageFiles: ImageFiles;
  readonly runDirectory: string;
  /** Whether the network of this node leads guests to their metadata. */
  readonly hasMetadata: boolean;
}

const NO_CLOUD_INIT: CompiledCloudInit = { sshKeySecrets: [] };

/** Told of an import's progress, with a signal that lasts as long as the import. */
export type OnImport = (image: CompiledImage, progress: ImportProgress, signal: AbortSignal) => void;

/** Everything of a guest that lies in files and on volumes: images, disks, seed, kernel, console. */
export interface GuestFiles {
  readonly boot: GuestBoot;
  readonly disks: readonly GuestDisk[];
  readonly filesystems?: readonly GuestFilesystem[];
  readonly consoleLogPath: string;
}

/** Makes a guest's files, and its definition once its place on the network is known. Repeating changes nothing. */
export class GuestBuilder {
  readonly #options: GuestBuilderOptions;

  constructor(options: GuestBuilderOptions) {
    this.#options = options;
  }

  /** Rejects with VolumePendingError or ImageImportingError while something is under way. */
  async files(anchor: Anchor, onImport: OnImport, signal: AbortSignal): Promise<GuestFiles> {
    const { guest } = anchor;
    const consoleLogPath = await this.#options.disks.consoleLogPath(anchor.folder);
    if (guest.containerHost !== undefined) await mkdir(path.dirname(relaySocket(this.#options.runDirectory, guest.uid)), { recursive: true, mode: 0o700 });
    const relayFiles = guest.containerHost?.transport === 'tls' ? filesForRelay(await ensureRelayKeys(path.dirname(consoleLogPath), guest.uid)) : undefined;
    const [boot, disks, seed, filesystems] = await Promise.all([
      this.#boot(anchor, onImport, signal),
      Promise.all(guest.disks.map((disk) => this.#disk(anchor, disk, onImport, signal))),
      guest.cloudInit === undefined && relayFiles === undefined ? [] : this.#seed(anchor, guest.cloudInit ?? NO_CLOUD_INIT, relayFiles, signal),
      Promise.all((guest.filesystems ?? []).map((filesystem) => this.#options.volumes.filesystem(anchor, filesystem, signal))),
    ]);
    return { boot, disks: [...disks, ...seed], ...(filesystems.length === 0 ? {} : { filesystems }), consoleLogPath };
  }

  /** Forgets what belongs to one run only: ephemeral disks and the console's past. */
  async clear(anchor: Anchor): Promise<void> {
    const log = await this.#options.disks.consoleLogPath(anchor.folder);
    await truncate(log).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw error;
    });
    await rm(`${log}.forwarded`, { force: true });
    const ephemeral = anchor.guest.disks.filter((disk) => disk.ephemeral).map((disk) => path.join(path.dirname(log), `${disk.name}.qcow2`));
    await Promise.all(ephemeral.map((file) => rm(file, { force: true })));
  }

  /** Ends imports that only this anchor wants. */
  abandon(anchor: Anchor): void {
    this.#options.imports.abandon(anchor);
  }

  define(anchor: Anchor, files: GuestFiles, endpoint: GuestEndpoint): GuestDefinition {
    const { guest, namespace } = anchor;
    return {
      id: guest.uid,
      name: `${namespace}.${guest.name}`,
      cpu: guest.cpu,
      memoryMiB: guest.memoryMiB,
      ...files,
      interfaces: [{ tap: endpoint.tap, macAddress: endpoint.macAddress, mtu: endpoint.mtu }],
      hostname: guest.hostname,
      ...(guest.cloudInit?.source === undefined ? {} : { product: 'OpenStack Nova' }),
      ...(guest.containerHost === undefined || guest.containerHost.transport === 'tls' ? {} : { channels: [{ name: RELAY_CHANNEL, path: relaySocket(this.#options.runDirectory, guest.uid) }] }),
    };
  }

  async #boot(anchor: Anchor, onImport: OnImport, signal: AbortSignal): Promise<GuestBoot> {
    const { boot } = anchor.guest;
    if (boot.kind === 'firmware') return boot;
    const { path: folder } = await this.#import(anchor, boot.image, onImport, signal);
    const kernelPath = await member(boot.image, folder, boot.kernel);
    const initrdPath = boot.initrd === undefined ? await optionalMember(folder, 'initrd.img') : await member(boot.image, folder, boot.initrd);
    return { kind: 'kernel', kernelPath, ...(initrdPath === undefined ? {} : { initrdPath }), commandLine: boot.commandLine ?? await commandLineOf(folder) };
  }

  async #disk(anchor: Anchor, disk: CompiledDisk, onImport: OnImport, signal: AbortSignal): Promise<GuestDisk> {
    const { disks } = this.#options;
    const { folder } = anchor;
    if (disk.claim !== undefined) return this.#options.volumes.disk(anchor, disk, signal);
    if (disk.image === undefined) return { ...await disks.ensureBlank(folder, disk.name, disk.sizeBytes, signal), ...lasting(disk) };
    const image = await this.#import(anchor, disk.image, onImport, signal);
    if (image.format === 'iso') return { name: disk.name, path: image.path, format: 'raw', readOnly: true, device: 'cdrom' };
    return { ...await disks.ensureOverlay(folder, disk.name, image, disk.sizeBytes, signal), ...lasting(disk) };
  }

  /** The image on this node, imported if need be; the VirtualMachineImage's status says how far it is. */
  async #import(anchor: Anchor, image: CompiledImage, onImport: OnImport, signal: AbortSignal): Promise<ImportedImage> {
    const { imports, imageReporter } = this.#options;
    const { namespace } = anchor;
    const onProgress = (progress: ImportProgress, lasting: AbortSignal): void => {
      imageReporter.report(namespace, image, { phase: 'Importing' }, lasting);
      onImport(image, progress, lasting);
    };
    try {
      await this.#options.imageFiles.allow(image);
      const imported = await imports.ensure(anchor, image, onProgress, signal);
      imageReporter.report(namespace, image, { phase: 'Imported', virtualSizeBytes: imported.virtualSizeBytes }, signal);
      return imported;
    } catch (error) {
      if (!signal.aborted && !(error instanceof ImageImportingError)) imageReporter.report(namespace, image, { phase: 'Failed', message: messageOf(error) }, signal);
      throw error;
    }
  }

  async #seed(anchor: Anchor, cloudInit: CompiledCloudInit, files: CloudInitSeed['files'], signal: AbortSignal): Promise<readonly GuestDisk[]> {
    const { source, instanceId, metadata, availabilityZone, userData, userDataSecret, networkData, vendorData, sshKeySecrets } = cloudInit;
    const { guest, namespace, folder } = anchor;
    if (source === 'metadataService' && !this.#options.hasMetadata) throw new GuestBuildError('NoMetadataService', 'cloudInit of source MetadataService needs the native network; on this one choose ConfigDrive or NoCloud');
    const fromSecret = userDataSecret === undefined ? undefined : (await this.#secret(anchor, userDataSecret.name, signal))[userDataSecret.key];
    if (userDataSecret !== undefined && fromSecret === undefined) throw new GuestBuildError('SecretNotFound', `Secret ${userDataSecret.name} has no key ${userDataSecret.key}`);
    const keys = await Promise.all(sshKeySecrets.map((name) => this.#secret(anchor, name, signal)));
    const seed: CloudInitSeed = {
      ...(source === undefined ? {} : { layout: 'configDrive' }),
      instanceId: instanceId ?? guest.uid,
      hostname: guest.hostname,
      name: guest.name,
      projectId: namespace,
      macAddress: guest.macAddress ?? macAddressOf(guest.uid),
      ...(metadata === undefined ? {} : { metadata }),
      ...(availabilityZone === undefined ? {} : { availabilityZone }),
      userData: userData ?? fromSecret ?? '',
      ...(networkData === undefined ? {} : { networkData }),
      ...(vendorData === undefined ? {} : { vendorData }),
      ...(files === undefined ? {} : { files }),
      sshKeys: keys.flatMap((secret) => Object.values(secret)).flatMap((text) => text.split('\n')).map((line) => line.trim()).filter((line) => line !== ''),
    };
    const { disks } = this.#options;
    if (source !== 'metadataService') return [await disks.ensureSeed(folder, seed, signal)];
    await disks.keepMetadata(folder, seed);
    return [];
  }

  async #secret(anchor: Anchor, name: string, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    try {
      const { data = {} } = await this.#options.client.get(secrets, { namespace: anchor.namespace, name }, signal);
      return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
    } catch (error) {
      if (isNotFound(error)) throw new GuestBuildError('SecretNotFound', `Secret ${name} does not exist in namespace ${anchor.namespace}`);
      throw error;
    }
  }
}

function lasting({ readOnly, ephemeral }: CompiledDisk): Pick<GuestDisk, 'readOnly' | 'ephemeral'> {
  return { readOnly, ...(ephemeral ? { ephemeral } : {}) };
}

async function member(image: CompiledImage, folder: string, file: string): Promise<string> {
  const found = await optionalMember(folder, file);
  if (found === undefined) throw new GuestBuildError('FileNotFound', `image ${image.name} has no file ${file}`);
  return found;
}

async function optionalMember(folder: string, file: string): Promise<string | undefined> {
  const full = path.join(folder, file);
  return access(full).then(() => full, () => undefined);
}

/** An image may bring the kernel command line that suits it, in a file `cmdline`. */
async function commandLineOf(folder: string): Promise<string> {
  const file = await optionalMember(folder, 'cmdline');
  return file === undefined ? 'console=ttyS0' : (await readFile(file, 'utf8')).trim();
}
