import { stat, statfs } from 'node:fs/promises';
import { errnoOf } from '../../base/errors.ts';
import { run } from '../../base/process.ts';
import { ensureFileSystem, growFileSystem, growsAside, isKnownType, mountOptionsOf } from '../file-systems.ts';
import { makeTarget, mount, mountAt, removeTarget, unmount } from '../mounts.ts';
import { StorageError, type Attachment, type NodeVolumes, type VolumeReference } from '../port.ts';
import { capabilityOf, type Capability } from './capability.ts';
import { required } from './controller.ts';
import type { CsiCall } from './protocol.ts';
import type { Handler, Message } from './server.ts';
import { invalid } from './status.ts';
import { Turns } from './turns.ts';

export interface NodeOptions {
  readonly volumes: NodeVolumes;
  readonly nodeId: () => Promise<string>;
  readonly topology: Readonly<Record<string, string>> | undefined;
}

/** csi.v1.Node: makes volumes of a backend be there for pods. What is mounted is all that is known. */
export class CsiNode {
  readonly #options: NodeOptions;
  readonly #turns = new Turns();

  constructor(options: NodeOptions) {
    this.#options = options;
  }

  handlers(): Readonly<Partial<Record<CsiCall, Handler>>> {
    return {
      NodeStageVolume: (request) => this.#inTurn(request, () => this.#stage(request)),
      NodeUnstageVolume: (request) => this.#inTurn(request, () => this.#unstage(request)),
      NodePublishVolume: (request) => this.#inTurn(request, () => this.#publish(request)),
      NodeUnpublishVolume: (request) => this.#inTurn(request, () => this.#unpublish(request)),
      NodeExpandVolume: (request) => this.#inTurn(request, () => this.#expand(request)),
      NodeGetVolumeStats: (request) => this.#stats(request),
      NodeGetCapabilities: async () => ({ capabilities: ['STAGE_UNSTAGE_VOLUME', 'GET_VOLUME_STATS', 'EXPAND_VOLUME', 'VOLUME_CONDITION', 'SINGLE_NODE_MULTI_WRITER'].map((type) => ({ rpc: { type } })) }),
      NodeGetInfo: async () => ({ nodeId: await this.#options.nodeId(), ...(this.#options.topology === undefined ? {} : { accessibleTopology: { segments: this.#options.topology } }) }),
    };
  }

  async #inTurn(request: Message, work: () => Promise<object>): Promise<object> {
    return this.#turns.run(required(request, 'volumeId'), work);
  }

  async #stage(request: Message): Promise<object> {
    const staging = required(request, 'stagingTargetPath');
    const capability = capabilityOf(request['volumeCapability']);
    // A device is attached when the first pod is given it: there is nothing to be mounted before.
    if (capability.kind === 'block') return {};
    // A file system that other nodes have mounted too must not be written to, not even by its own repair.
    const mountFlags = isReadAlone(capability) ? [...capability.mountFlags, 'ro'] : capability.mountFlags;
    const attached = await this.#attach(request, isReadAlone(capability), { target: staging, flags: mountFlags });
    if (attached.kind !== 'mounted' && (await mountAt(staging)) === undefined) await mountTree(attached, staging, { ...capability, mountFlags });
    return {};
  }

  async #unstage(request: Message): Promise<object> {
    const staging = required(request, 'stagingTargetPath');
    await unmount(staging);
    await this.#options.volumes.detach(request['volumeId']).catch((error: unknown) => {
      if (!(error instanceof StorageError && error.code === 'VolumeNotFound')) throw error;
    });
    return {};
  }

  async #publish(request: Message): Promise<object> {
    const [staging, target] = [required(request, 'stagingTargetPath'), required(request, 'targetPath')];
    const capability = capabilityOf(request['volumeCapability']);
    if ((await mountAt(target)) !== undefined) return {};
    if (capability.kind === 'block') {
      const attached = await this.#attach(request, isReadAlone(capability));
      if (attached.kind !== 'device') throw invalid('a volume that is shared files is not a block device');
      await makeTarget(target, 'file');
      await mount({ source: attached.path, target });
      return {};
    }
    if ((await mountAt(staging)) === undefined) throw new StorageError('NotAttached', `volume ${request['volumeId']} is not staged at ${staging}`);
    await makeTarget(target, 'folder');
    await mount({ source: staging, target });
    if (request['readonly'] === true) await run('mount', ['-o', 'remount,bind,ro', '--', target]);
    return {};
  }

  async #unpublish(request: Message): Promise<object> {
    await removeTarget(required(request, 'targetPath'));
    return {};
  }

  async #expand(request: Message): Promise<object> {
    const path = required(request, 'volumePath');
    const found = await existing(path, request['volumeId']);
    const sizeBytes = Number(request['capacityRange']?.requiredBytes ?? 0);
    await this.#options.volumes.refresh(referenceOf(request, false), sizeBytes);
    const mounted = await mountAt(path);
    if (found.isDirectory() && mounted !== undefined && isKnownType(mounted.type)) await growFileSystem(mounted.source, path, mounted.type);
    return { capacityBytes: sizeBytes };
  }

  async #stats(request: Message): Promise<object> {
    const [id, path] = [required(request, 'volumeId'), required(request, 'volumePath')];
    const found = await existing(path, id);
    const volumeCondition = { abnormal: false, message: 'the volume is there' };
    if (!found.isDirectory()) return { usage: [{ unit: 'BYTES', total: Number(await run('blockdev', ['--getsize64', path])) }], volumeCondition };
    if ((await mountAt(path)) === undefined) throw new StorageError('VolumeNotFound', `volume ${id} is not at ${path}`);
    const { blocks, bfree, bavail, bsize, files, ffree } = await statfs(path);
    return {
      usage: [
        { unit: 'BYTES', total: blocks * bsize, available: bavail * bsize, used: (blocks - bfree) * bsize },
        { unit: 'INODES', total: files, available: ffree, used: files - ffree },
      ],
      volumeCondition,
    };
  }

  #attach(request: Message, readOnly: boolean, mounted?: VolumeReference['mount']): Promise<Attachment> {
    return this.#options.volumes.attach({ ...referenceOf(request, readOnly), ...(mounted === undefined ? {} : { mount: mounted }) });
  }
}

async function mountTree(attached: Exclude<Attachment, { readonly kind: 'mounted' }>, target: string, { fsType, mountFlags }: Capability): Promise<void> {
  await makeTarget(target, 'folder');
  if (attached.kind === 'tree') return mount({ ...attached, target, options: [...attached.options, ...mountFlags] });
  const readOnly = mountFlags.includes('ro');
  const type = await ensureFileSystem(attached.path, fsType, readOnly);
  await mount({ source: attached.path, target, type, options: [...mountOptionsOf(type), ...mountFlags] });
  // A copy of a smaller volume still has the size of that.
  if (!readOnly && !growsAside(type)) await growFileSystem(attached.path, target, type);
}

function isReadAlone({ sharing }: Capability): boolean {
  return sharing === 'many nodes, reading';
}

function referenceOf(request: Message, readOnly: boolean): VolumeReference {
  return { id: request['volumeId'], readOnly, context: request['volumeContext'] ?? {}, secrets: request['secrets'] ?? {} };
}

async function existing(path: string, id: string): Promise<Awaited<ReturnType<typeof stat>>> {
  return stat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') throw new StorageError('VolumeNotFound', `volume ${id} is not at ${path}`);
    throw error;
  });
}
