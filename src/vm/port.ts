import type { Duplex } from 'node:stream';
import { YadoError, type ErrorOptions } from '../base/errors.ts';

/** A virtual machine as a hypervisor is asked to run it: everything resolved, nothing to look up. */
export interface GuestDefinition {
  /** The VirtualMachine's uid; also the domain's UUID. */
  readonly id: string;
  /** Unique on the host and safe as a file name: `<namespace>.<name>`. */
  readonly name: string;
  readonly cpu: GuestCpu;
  readonly memoryMiB: number;
  readonly boot: GuestBoot;
  /** In boot order. */
  readonly disks: readonly GuestDisk[];
  readonly interfaces: readonly GuestInterface[];
  readonly filesystems?: readonly GuestFilesystem[];
  /** Byte streams between host and guest, beside that of the QEMU guest agent. */
  readonly channels?: readonly GuestChannel[];
  /** File to which everything that the serial console prints is appended; it outlives restarts of all daemons. */
  readonly consoleLogPath: string;
  /** Value of the SMBIOS serial number. */
  readonly hostname: string;
  /** What SMBIOS calls the machine: `OpenStack Nova` is what cloud-init looks for before it asks for OpenStack's metadata. Default: as the hypervisor has it. */
  readonly product?: string;
}

export interface GuestCpu {
  readonly sockets: number;
  readonly cores: number;
  readonly threads: number;
  /** `host-model`, `host-passthrough`, `maximum` or a libvirt model name; the driver's best default when absent. */
  readonly model?: string;
}

export type GuestBoot =
  | { readonly kind: 'firmware'; readonly firmware: 'bios' | 'uefi' | 'uefiSecure' }
  | { readonly kind: 'kernel'; readonly kernelPath: string; readonly initrdPath?: string; readonly commandLine: string };

export interface GuestDisk {
  /** Unique in the guest, at most 20 characters; the serial number that the guest sees. */
  readonly name: string;
  readonly path: string;
  /** What `path` is. Default `file`. */
  readonly source?: 'file' | 'block';
  readonly format: 'qcow2' | 'raw';
  readonly readOnly: boolean;
  readonly device: 'disk' | 'cdrom';
  /** Gone with this run of the guest: nothing of it has to survive a crash of the host. */
  readonly ephemeral?: boolean;
}

/** A folder of the host that the guest mounts by its tag, by virtiofs. */
export interface GuestFilesystem {
  readonly tag: string;
  readonly path: string;
}

/** A disk as a running guest has it. */
export interface LiveDisk {
  /** As in its definition. */
  readonly name: string;
  readonly path: string;
  /** What the guest sees. */
  readonly sizeBytes: number;
}

export interface GuestInterface {
  /** Name of an existing tap device, made and owned by the caller. */
  readonly tap: string;
  readonly macAddress: string;
  readonly mtu: number;
}

/** A virtio-serial port. */
export interface GuestChannel {
  /** What the guest knows it by: /dev/virtio-ports/<name>. */
  readonly name: string;
  /** Of the unix socket that the hypervisor listens on while the guest runs; its folder exists. One connection at a time. */
  readonly path: string;
}

/**
 * Where a guest stands. `absent`: the host knows nothing of it. `stopped` says how its last run ended:
 * `shutdown` the guest powered off or was asked to, `destroyed` we ended it, `crashed` it or its QEMU died,
 * `failed` it could not be started, `unknown` the host cannot tell (it was restarted meanwhile).
 */
export type GuestState =
  | { readonly phase: 'absent' }
  | { readonly phase: 'stopped'; readonly reason: 'shutdown' | 'destroyed' | 'crashed' | 'failed' | 'unknown' }
  | { readonly phase: 'running'; readonly paused: boolean; readonly agentConnected: boolean; readonly startedAt?: number };

export interface Guest {
  readonly id: string;
  readonly name: string;
  readonly state: GuestState;
}

/** What a running guest has used since it was started. Figures that a busy guest cannot tell at once, or has none of, are absent. */
export interface GuestUsage {
  readonly id: string;
  /** Processor time of all of its process: the guest's own and that of its devices. */
  readonly cpuSeconds: number;
  /** Of its process, resident now. */
  readonly memoryBytes?: number;
  readonly diskReadBytes?: number;
  readonly diskWrittenBytes?: number;
  readonly networkReceivedBytes: number;
  readonly networkSentBytes: number;
}

/** Something about a guest changed: look at it again. `id` undefined means the connection was lost and found: look at all. */
export interface GuestEvent {
  readonly id: string | undefined;
  readonly kind: 'lifecycle' | 'agent' | 'resync';
}

export interface HypervisorInfo {
  readonly hypervisor: string;
  readonly version: string;
  /** `kvm` only where a guest really started on it. */
  readonly acceleration: 'kvm' | 'tcg' | 'simulated';
}

/**
 * One host's hypervisor. All calls are idempotent and may be repeated after any failure; each rejects with a
 * GuestError. Nothing is kept in memory that the hypervisor cannot tell again.
 */
export interface Hypervisor extends AsyncDisposable {
  info(): Promise<HypervisorInfo>;
  list(signal?: AbortSignal): Promise<readonly Guest[]>;
  get(id: string, signal?: AbortSignal): Promise<GuestState>;
  /** What each guest that runs, paused or not, has used. No guest holds up the figures of the others. */
  usage(signal?: AbortSignal): Promise<readonly GuestUsage[]>;
  /** Defines and starts the guest. A guest of this id that already runs is left as it is; a stopped one is redefined. */
  start(guest: GuestDefinition, signal?: AbortSignal): Promise<void>;
  /** Asks the guest to power off (guest agent if connected, and ACPI); returns at once. No error when it is not running. */
  shutdown(id: string, signal?: AbortSignal): Promise<void>;
  /** Ends the guest's process now. No error when it is not running. */
  destroy(id: string, signal?: AbortSignal): Promise<void>;
  /** Forgets the guest, ending it first if it runs. No error when it is absent. Files of disks and console are the caller's. */
  remove(id: string, signal?: AbortSignal): Promise<void>;
  pause(id: string, signal?: AbortSignal): Promise<void>;
  resume(id: string, signal?: AbortSignal): Promise<void>;
  reset(id: string, signal?: AbortSignal): Promise<void>;
  /** Plugs the cable of a running guest's interface in, or pulls it. Code `GuestRejected` when it has no interface of this MAC address. */
  setLink(id: string, macAddress: string, up: boolean, signal?: AbortSignal): Promise<void>;
  /** The disks of a running guest; CD-ROMs are none. */
  disks(id: string, signal?: AbortSignal): Promise<readonly LiveDisk[]>;
  /** Plugs a disk into a running guest. No error when the guest has one of this name. */
  attachDisk(id: string, disk: GuestDisk, signal?: AbortSignal): Promise<void>;
  /** Asks a running guest to let go of the disk of this name; it has when `disks` does not show it any more. No error when it has none. */
  detachDisk(id: string, name: string, signal?: AbortSignal): Promise<void>;
  /** Tells a running guest that its disk has grown to this size, which its file or device has already. */
  resizeDisk(id: string, name: string, sizeBytes: number, signal?: AbortSignal): Promise<void>;
  /** The serial console, both ways. Only one reader at a time: a newer one takes it over. */
  openConsole(id: string, signal?: AbortSignal): Promise<Duplex>;
  /** Runs a command of the QEMU guest agent and returns its `return` value. Code `AgentNotConnected` when it does not answer. */
  agentCommand(id: string, execute: string, args?: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<unknown>;
  /** Calls `listener` for every change, also after a lost connection came back. The returned function ends it. */
  watch(listener: (event: GuestEvent) => void): () => void;
}

export type GuestErrorCode =
  | 'HypervisorUnavailable'
  | 'GuestNotFound'
  | 'GuestNotRunning'
  | 'GuestRejected'
  | 'OutOfMemory'
  | 'AgentNotConnected'
  | 'HypervisorError';

export class GuestError extends YadoError {
  declare readonly code: GuestErrorCode;
  constructor(code: GuestErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}

/** Where an image comes from, as the VirtualMachineImage says. */
export interface ImageReference {
  /** The VirtualMachineImage's name; in messages only. */
  readonly name: string;
  /** What tells this image's content from another's: same key, same bytes. */
  readonly key: string;
  readonly source: { readonly kind: 'file'; readonly path: string } | { readonly kind: 'http'; readonly url: string };
  /** `sha256:<64 hex digits>` or `sha512:<128 hex digits>`. */
  readonly checksum?: string;
  /** `tar`: an archive (plain or gzip) whose members are the image's files, such as a kernel and an initrd. */
  readonly format: 'qcow2' | 'raw' | 'iso' | 'tar';
}

export interface ImportedImage {
  /** The image file, or for `tar` the folder of its members. Never modified after the import. */
  readonly path: string;
  readonly format: ImageReference['format'];
  /** Size that a guest sees, in bytes; for `tar` that of all members. */
  readonly virtualSizeBytes: number;
}

export interface ImportProgress {
  readonly bytes: number;
  /** Absent while the size is unknown. */
  readonly totalBytes?: number;
}

/** Images of one host: imported once, shared by all guests, verified before first use. */
export interface ImageStore {
  /**
   * Returns the image, importing it first if needed; callers that ask for the same key share one import, and an
   * import that was killed starts anew. Nothing of a failed import stays. Rejects with an ImageError.
   */
  ensure(image: ImageReference, options?: { readonly signal?: AbortSignal; readonly onProgress?: (progress: ImportProgress) => void }): Promise<ImportedImage>;
  /** Removes every imported image whose key is not in `keys`; returns how many. */
  prune(keys: ReadonlySet<string>): Promise<number>;
}

export type ImageErrorCode = 'ImageNotFound' | 'ImageChecksumMismatch' | 'ImageInvalid' | 'ImageUnreachable' | 'DiskFull';

export class ImageError extends YadoError {
  declare readonly code: ImageErrorCode;
  constructor(code: ImageErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}

/** Name of the disk that is a guest's seed. */
export const SEED_DISK = 'cidata';

/** Disks that live in a folder of the host, one folder a guest. */
export interface DiskStore {
  /** A qcow2 overlay of `backing`, grown to `sizeBytes` (0: the image's own size). An existing disk is returned untouched. */
  ensureOverlay(guest: string, disk: string, backing: ImportedImage, sizeBytes: number, signal?: AbortSignal): Promise<GuestDisk>;
  /** An empty disk. An existing one is returned untouched. */
  ensureBlank(guest: string, disk: string, sizeBytes: number, signal?: AbortSignal): Promise<GuestDisk>;
  /** A seed on a disk, labelled `cidata` for NoCloud and `config-2` for a config drive; written anew when its content changed. */
  ensureSeed(guest: string, seed: CloudInitSeed, signal?: AbortSignal): Promise<GuestDisk>;
  /** Keeps what the metadata service tells the guest, until it is kept anew. */
  keepMetadata(guest: string, seed: CloudInitSeed): Promise<void>;
  /** What was kept last, by the paths of a config drive; undefined where nothing was. */
  metadata(guest: string): Promise<ReadonlyMap<string, string> | undefined>;
  /** Path of the guest's console log; the folder exists afterwards. */
  consoleLogPath(guest: string): Promise<string>;
  /** Removes the guest's folder with all of its disks. Idempotent. */
  remove(guest: string): Promise<void>;
  /** Names of the guests that have a folder here. */
  guests(): Promise<readonly string[]>;
}

/** What cloud-init in a guest finds: https://cloudinit.readthedocs.io/en/latest/reference/datasources.html */
export interface CloudInitSeed {
  /** Default `nocloud`. */
  readonly layout?: 'nocloud' | 'configDrive';
  readonly instanceId: string;
  readonly hostname: string;
  readonly userData: string;
  readonly networkData?: string;
  readonly vendorData?: string;
  readonly sshKeys: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly availabilityZone?: string;
  /** Name of the machine, and what OpenStack calls a project. */
  readonly name?: string;
  readonly projectId?: string;
  /** Of the interface that asks DHCP. */
  readonly macAddress?: string;
  /** More files, by name, that cloud-init leaves to others. */
  readonly files?: Readonly<Record<string, string>>;
}
