import type { Microversion } from '../microversion.ts';
import type { Page } from '../page.ts';
import type { Quotas } from '../quota.ts';
import type { Secret } from '../secret.ts';
import type { Flavor, Interface, Keypair, RemoteConsole, RemoteConsoleType, Server, ServerEntry, ServerGroup, VolumeAttachment } from './types.ts';

/** What is done to a server; the service takes it up at once and does it later, as the server's status tells. */
export type ServerAction =
  | { readonly kind: 'start' | 'stop' | 'pause' | 'unpause' | 'suspend' | 'resume' | 'unlock' | 'confirmResize' | 'revertResize' | 'shelve' | 'shelveOffload' | 'unshelve' | 'unrescue' }
  /** `soft` asks the guest, `hard` asks nobody. */
  | { readonly kind: 'reboot'; readonly how: 'soft' | 'hard' }
  /** Nobody but admins changes a locked server. The reason is shown from 2.73. */
  | { readonly kind: 'lock'; readonly reason?: string }
  | { readonly kind: 'resize'; readonly flavorId: string }
  | { readonly kind: 'addSecurityGroup' | 'removeSecurityGroup'; readonly name: string };

export interface ServerRequest {
  readonly name: string;
  readonly flavorId: string;
  /** Absent where it boots from a volume. */
  readonly imageId?: string;
  /** `none`: without an interface; `auto`: one on a network that the service chooses. */
  readonly networks: readonly ServerNetwork[] | 'none' | 'auto';
  readonly disks?: readonly ServerDisk[];
  /** Names; for interfaces that are made with the server. */
  readonly securityGroups?: readonly string[];
  readonly keyName?: string;
  /** At most 65 535 bytes of base64. */
  readonly userDataBase64?: Secret;
  readonly metadata?: Readonly<Record<string, string>>;
  /** From 2.52. */
  readonly tags?: readonly string[];
  readonly description?: string;
  readonly configDrive?: boolean;
  readonly availabilityZone?: string;
  /** Of the scheduler, such as `group` or `different_host`. */
  readonly hints?: Readonly<Record<string, string | readonly string[]>>;
}

export type ServerNetwork =
  | { readonly kind: 'port'; readonly portId: string; readonly tag?: string }
  | { readonly kind: 'network'; readonly networkId: string; readonly address?: string; readonly tag?: string };

/** A disk at its creation: https://docs.openstack.org/nova/latest/user/block-device-mapping.html */
export interface ServerDisk {
  readonly source: { readonly kind: 'volume' | 'snapshot' | 'image'; readonly id: string } | { readonly kind: 'blank' };
  readonly destination: 'volume' | 'local';
  readonly sizeGiB?: number;
  /** 0 for the one that is booted from; absent for others. */
  readonly bootIndex?: number;
  readonly deleteOnTermination: boolean;
  readonly volumeType?: string;
}

export interface CreatedServer {
  readonly id: string;
  readonly adminPassword?: Secret;
}

export interface VolumeAttachmentRequest {
  readonly volumeId: string;
  /** From 2.49. */
  readonly tag?: string;
  /** From 2.79; false otherwise. */
  readonly deleteOnTermination?: boolean;
}

export type InterfaceRequest =
  | { readonly kind: 'port'; readonly portId: string }
  | { readonly kind: 'network'; readonly networkId: string; readonly address?: string };

/**
 * Nova, as one project sees it. Each call rejects with an OpenStackError. What removes something may be repeated: it is
 * no error that there is nothing.
 */
export interface ComputeService {
  /** Whether this microversion is spoken. */
  supports(version: Microversion, signal?: AbortSignal): Promise<boolean>;

  servers(signal?: AbortSignal): AsyncIterable<Page<ServerEntry>>;
  /** What was made, changed or deleted since then, by the service's own clock, in seconds. Changes of addresses, tags and volumes alone may be missing. */
  serverChanges(sinceMs: number, signal?: AbortSignal): AsyncIterable<Page<ServerEntry>>;
  /** Rejects with ServiceFailed where the part of the cloud that knows it does not answer. */
  server(id: string, signal?: AbortSignal): Promise<Server | undefined>;
  createServer(request: ServerRequest, signal?: AbortSignal): Promise<CreatedServer>;
  updateServer(id: string, changes: { readonly name?: string; readonly description?: string }, signal?: AbortSignal): Promise<Server>;
  /** In place of all that it has. */
  setMetadata(id: string, metadata: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<void>;
  /** In place of all that it has. From 2.26. */
  setTags(id: string, tags: readonly string[], signal?: AbortSignal): Promise<void>;
  deleteServer(id: string, signal?: AbortSignal): Promise<void>;
  /** Rejects with Conflict when the server's state does not allow it. */
  act(id: string, action: ServerAction, signal?: AbortSignal): Promise<void>;
  /** The last lines of the serial console; all that the service keeps where no number is given. */
  consoleOutput(id: string, lines?: number, signal?: AbortSignal): Promise<string>;
  /** From 2.6. Rejects with InvalidRequest where the cloud has no such consoles. */
  remoteConsole(id: string, type: RemoteConsoleType, signal?: AbortSignal): Promise<RemoteConsole>;
  /** The id of an image that will be there when its status is active. */
  createImage(id: string, name: string, metadata?: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<string>;

  volumeAttachments(serverId: string, signal?: AbortSignal): Promise<readonly VolumeAttachment[]>;
  attachVolume(serverId: string, request: VolumeAttachmentRequest, signal?: AbortSignal): Promise<VolumeAttachment>;
  /** Taken up at once; the volume is free when its own status says so. */
  detachVolume(serverId: string, volumeId: string, signal?: AbortSignal): Promise<void>;
  interfaces(serverId: string, signal?: AbortSignal): Promise<readonly Interface[]>;
  attachInterface(serverId: string, request: InterfaceRequest, signal?: AbortSignal): Promise<Interface>;
  detachInterface(serverId: string, portId: string, signal?: AbortSignal): Promise<void>;

  flavors(signal?: AbortSignal): AsyncIterable<Page<Flavor>>;
  keypairs(signal?: AbortSignal): AsyncIterable<Page<Keypair>>;
  createKeypair(name: string, publicKey: string, signal?: AbortSignal): Promise<Keypair>;
  deleteKeypair(name: string, signal?: AbortSignal): Promise<void>;
  serverGroups(signal?: AbortSignal): AsyncIterable<Page<ServerGroup>>;
  createServerGroup(name: string, policy: string, signal?: AbortSignal): Promise<ServerGroup>;
  deleteServerGroup(id: string, signal?: AbortSignal): Promise<void>;
  quotas(signal?: AbortSignal): Promise<Quotas>;
}
