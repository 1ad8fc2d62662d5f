import type { Attachment, NodeVolumes, VolumeReference } from '../../port.ts';
import { messageOf } from '../../../base/errors.ts';
import { mounts } from '../../mounts.ts';
import { checked, isId } from './ids.ts';
import { ensureNfsClient } from './nfs-client.ts';
import { mountOf, portOf } from './nfs-mount.ts';
import { ownAddress } from './own-address.ts';
import { ensureAnswers } from './reachable.ts';
import type { NfsSettings } from './settings.ts';

/** Volumes as trees that the node's kernel mounts; there is nothing to attach. */
export class NfsNodeVolumes implements NodeVolumes {
  readonly #settings: NfsSettings;
  readonly #node: string;

  constructor(settings: NfsSettings, node: string) {
    this.#settings = settings;
    this.#node = node;
  }

  /** Who mounts from a server that is down waits for it: it is asked first. */
  async attach({ id, readOnly }: VolumeReference, signal?: AbortSignal): Promise<Attachment> {
    await ensureNfsClient(this.#node);
    const { server, path, port, mountOptions } = this.#whereIs(checked(id));
    await ensureAnswers(server, port, signal);
    const { source, options } = await mountOf({ server, path, port, mountOptions });
    return { kind: 'tree', type: 'nfs4', source, options: [...options, ...(readOnly ? ['ro'] : [])] };
  }

  async detach(): Promise<void> {}

  async lacking(): Promise<string | undefined> {
    return ensureNfsClient(this.#node).then(() => undefined, messageOf);
  }

  async attached(): Promise<readonly string[]> {
    const found = (await mounts()).flatMap(({ type, source }) => (type === 'nfs4' ? [source] : [])).flatMap((source) => source.split(/[:/]/).filter(isId).filter((id) => source.endsWith(`:${this.#whereIs(id).path}`)));
    return [...new Set(found)];
  }

  /** A server that is managed serves a volume to the addresses of the nodes that have it. */
  async nodeId(): Promise<string> {
    const settings = this.#settings;
    return settings.kind === 'managed' ? `${this.#node}/${await ownAddress(settings.server, settings.port)}` : this.#node;
  }

  /** Its server alone knows how large it is. */
  async refresh(): Promise<void> {}

  #whereIs(id: string): { readonly server: string; readonly path: string; readonly port: number; readonly mountOptions: readonly string[] } {
    const settings = this.#settings;
    if (settings.kind === 'managed') return { server: settings.server, port: settings.port, path: `/${id}`, mountOptions: [] };
    const { server, mountOptions, export: root } = settings;
    return { server, port: portOf(mountOptions), mountOptions, path: `${root === '/' ? '' : root}/volumes/${id}/data` };
  }
}
