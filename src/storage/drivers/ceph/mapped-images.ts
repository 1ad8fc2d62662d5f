import { readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { lookup } from 'node:dns/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, messageOf } from '../../../base/errors.ts';
import { run } from '../../../base/process.ts';
import { StorageError } from '../../port.ts';
import type { Place } from './catalog.ts';
import type { AttachedImages, Door } from './rbd-node.ts';
import type { CephSettings, CephUser } from './settings.ts';

export interface MappedImagesOptions {
  readonly place: Place;
  readonly settings: CephSettings;
  readonly user: CephUser;
  /** The kernel's own. Default: /sys/bus/rbd. */
  readonly bus?: string;
}

const BUS = '/sys/bus/rbd';
const UNMAP_MS = 10_000;
const SIZE_MS = 10_000;

interface Mapped {
  readonly number: string;
  readonly image: string;
  readonly device: string;
  /** Address of the kernel's client for it alone. */
  readonly client: string;
}

/** Images as devices of the kernel's own: https://docs.kernel.org/admin-guide/abi-testing.html#abi-file-testing-sysfs-bus-rbd. */
export class MappedImages implements AttachedImages {
  readonly needed = [];
  readonly #options: MappedImagesOptions;
  readonly #bus: string;

  constructor(options: MappedImagesOptions) {
    this.#options = options;
    this.#bus = options.bus ?? BUS;
  }

  /** Whether this kernel can, with its module loaded if need be. */
  static async isOffered(bus = BUS): Promise<boolean> {
    const there = (): Promise<boolean> => readdir(bus).then(() => true, () => false);
    if (await there()) return true;
    await run('modprobe', ['rbd']).catch(() => {});
    return there();
  }

  async attach(id: string, image: string, readOnly: boolean, door: Door): Promise<string> {
    const [known] = await this.#mapped((one) => one.image === image);
    if (known !== undefined && await door.admit(known.client)) return known.device;
    if (known !== undefined) await this.detach(id);
    const text = mapRequest(await addressesOf(this.#options.settings.monitors), this.#options, image, readOnly);
    await writeFile(join(this.#bus, 'add_single_major'), text).catch((error: unknown) => {
      throw new StorageError(errnoOf(error) === 'ENOENT' ? 'VolumeNotFound' : 'BackendUnreachable', `the kernel cannot map image ${image}: ${messageOf(error)}`, { cause: error });
    });
    const [made] = await this.#mapped((one) => one.image === image);
    if (made === undefined) throw new StorageError('Failed', `image ${image} was mapped, and is not there`);
    await door.admit(made.client).catch(async (error: unknown) => {
      if (error instanceof StorageError && error.code === 'NotAttached') await this.detach(id);
      throw error;
    });
    return made.device;
  }

  async detach(id: string): Promise<void> {
    for (const giveUpAt = Date.now() + UNMAP_MS; ; await delay(50)) {
      const left = await this.#mapped((one) => one.image.startsWith(`${id}-`));
      if (left.length === 0) return;
      if (Date.now() > giveUpAt) throw new StorageError('VolumeInUse', `${left.map(({ device }) => device).join(', ')} is in use`);
      // EBUSY until the last who has it open closes it.
      for (const { number } of left) await writeFile(join(this.#bus, 'remove_single_major'), number).catch(() => {});
    }
  }

  /** The kernel watches its images, and sees by itself that one has grown. */
  async refresh(id: string, sizeBytes: number): Promise<void> {
    const [known] = await this.#mapped((one) => one.image.startsWith(`${id}-`));
    if (known === undefined) throw new StorageError('NotAttached', `volume ${id} is not attached on this node`);
    for (const giveUpAt = Date.now() + SIZE_MS; Number(await run('blockdev', ['--getsize64', known.device])) < sizeBytes; await delay(50)) {
      if (Date.now() > giveUpAt) throw new StorageError('Failed', `${known.device} has not grown to ${sizeBytes} bytes`);
      await writeFile(join(this.#bus, 'devices', known.number, 'refresh'), '1');
    }
  }

  async attached(): Promise<readonly string[]> {
    return (await this.#mapped(({ image }) => /^vol-[0-9a-f]+-/.test(image))).map(({ image }) => image.replace(/-[^-]*$/, ''));
  }

  async clients(): Promise<readonly string[]> {
    return (await this.#mapped(() => true)).map(({ client }) => client);
  }

  async #mapped(wanted: (one: Mapped) => boolean): Promise<readonly Mapped[]> {
    const { pool, namespace = '' } = this.#options.place;
    const folder = join(this.#bus, 'devices');
    const found = await Promise.all((await readdir(folder)).map(async (number) => {
      const [name, ofPool, ofNamespace, client = ''] = await Promise.all(['name', 'pool', 'pool_ns', 'client_addr'].map((file) => readFile(join(folder, number, file), 'utf8').then((text) => text.trim(), () => '')));
      if (name === undefined || name === '' || ofPool !== pool || ofNamespace !== namespace) return [];
      return [{ number, image: name, client, device: await realpath(`/dev/rbd${number}`).catch(() => `/dev/rbd${number}`) }];
    }));
    return found.flat().filter(wanted);
  }
}

/** What the kernel is told; nobody but it sees this. Its newer protocol is to be asked for, and a client of its own, which can be shut out alone. */
export function mapRequest(addresses: readonly string[], { place: { pool, namespace }, user: { user, key } }: MappedImagesOptions, image: string, readOnly: boolean): string {
  const newer = addresses.every((address) => address.endsWith(':3300'));
  const options = [`name=${user}`, `secret=${key}`, 'noshare', ...(readOnly ? ['ro'] : []), ...(newer ? ['ms_mode=prefer-crc'] : []), ...(namespace === undefined ? [] : [`_pool_ns=${namespace}`])];
  return `${addresses.join(',')} ${options.join(',')} ${pool} ${image} -`;
}

/** The kernel asks no name server. */
async function addressesOf(monitors: readonly string[]): Promise<readonly string[]> {
  return Promise.all(monitors.map(async (monitor) => {
    const [, host = '', port = '6789'] = /^(?:v[12]:)?(.*?)(?::(\d+))?$/.exec(monitor) ?? [];
    const plain = host.replace(/^\[(.*)\]$/, '$1');
    const address = isIP(plain) > 0 ? plain : (await lookup(plain)).address;
    return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
  }));
}
