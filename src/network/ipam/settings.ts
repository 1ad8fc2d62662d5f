import { systemClock, type Clock } from '../../base/clock.ts';
import { isNotFound } from '../../kube/api-error.ts';
import type { KubeClient } from '../../kube/client.ts';
import { namespaces, nodes } from '../../kube/core.ts';
import { contains, parseAddress, parseCidr, type Cidr } from '../address.ts';
import { ipamConfigs, ipPools, ipReservations, type IPPool } from '../calico/kinds.ts';
import { parseSelector } from '../calico/selector.ts';

export interface Pool {
  readonly name: string;
  readonly cidr: Cidr;
  readonly blockSize: number;
  readonly manual: boolean;
  readonly nodeSelector: string;
  readonly namespaceSelector: string;
}

/** What people have configured for addresses. */
export interface IpamSettings {
  /** Enabled IPv4 pools for workloads. */
  readonly pools: readonly Pool[];
  readonly strictAffinity: boolean;
  readonly autoAllocateBlocks: boolean;
  readonly maxBlocksPerHost: number;
  readonly cooldownSeconds: number;
  readonly isReserved: (address: string) => boolean;
}

const DEFAULT_BLOCK_SIZE = 26;
const DEFAULT_MAX_BLOCKS = 20;

/** Reads pools, configuration and reservations, at most once in `ttlMs`. */
export class SettingsReader {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  #latest: { readonly at: number; readonly settings: Promise<IpamSettings> } | undefined;

  constructor(client: KubeClient, ttlMs: number, clock: Clock = systemClock) {
    this.#client = client;
    this.#clock = clock;
    this.#ttlMs = ttlMs;
  }

  current(): Promise<IpamSettings> {
    const now = this.#clock.now();
    if (this.#latest !== undefined && now - this.#latest.at < this.#ttlMs) return this.#latest.settings;
    const settings = this.#read();
    this.#latest = { at: now, settings };
    // A failed read is not kept.
    settings.catch(() => {
      if (this.#latest?.settings === settings) this.#latest = undefined;
    });
    return settings;
  }

  /** Pools that may serve this node and namespace without being asked for, or the named ones. */
  async poolsFor(settings: IpamSettings, node: string, namespace: string | undefined, named: readonly string[] | undefined): Promise<readonly Pool[]> {
    if (named !== undefined && named.length > 0) {
      return settings.pools.filter((pool) => named.some((name) => name === pool.name || sameCidr(name, pool.cidr)));
    }
    const automatic = settings.pools.filter((pool) => !pool.manual);
    const [ofNode, ofNamespace] = await Promise.all([
      automatic.some((pool) => !isAll(pool.nodeSelector)) ? this.#labels('node', node) : {},
      namespace !== undefined && automatic.some((pool) => !isAll(pool.namespaceSelector)) ? this.#labels('namespace', namespace) : {},
    ]);
    return automatic.filter((pool) => parseSelector(pool.nodeSelector)(ofNode) && parseSelector(pool.namespaceSelector)(ofNamespace));
  }

  async #labels(kind: 'node' | 'namespace', name: string): Promise<Readonly<Record<string, string>>> {
    try {
      const object = kind === 'node' ? await this.#client.get(nodes, { name }) : await this.#client.get(namespaces, { name });
      return object.metadata.labels ?? {};
    } catch (error) {
      if (isNotFound(error)) return {};
      throw error;
    }
  }

  async #read(): Promise<IpamSettings> {
    const [pools, configs, reservations] = await Promise.all([
      this.#client.listAll(ipPools),
      this.#client.listAll(ipamConfigs),
      this.#client.listAll(ipReservations),
    ]);
    const config = configs.items.find((item) => item.metadata.name === 'default')?.spec;
    const reserved = reservations.items.flatMap((item) => item.spec.reservedCIDRs ?? []).map(parseCidr).filter((cidr) => cidr !== undefined);
    return {
      pools: pools.items.flatMap(poolOf),
      strictAffinity: config?.strictAffinity ?? false,
      autoAllocateBlocks: config?.autoAllocateBlocks ?? true,
      maxBlocksPerHost: config?.maxBlocksPerHost || DEFAULT_MAX_BLOCKS,
      cooldownSeconds: config?.ipCooldownSeconds ?? 0,
      isReserved: (address) => reserved.some((cidr) => contains(cidr, parseAddress(address) ?? -1)),
    };
  }
}

function poolOf(object: IPPool): readonly Pool[] {
  const { spec } = object;
  const cidr = parseCidr(spec.cidr);
  if (cidr === undefined || spec.disabled === true || spec.allowedUses?.includes('Workload') === false) return [];
  return [{
    name: object.metadata.name,
    cidr,
    blockSize: Math.max(spec.blockSize ?? DEFAULT_BLOCK_SIZE, cidr.prefix),
    manual: spec.assignmentMode === 'Manual',
    nodeSelector: spec.nodeSelector ?? '',
    namespaceSelector: spec.namespaceSelector ?? '',
  }];
}

const isAll = (selector: string): boolean => selector.trim() === '' || selector.trim() === 'all()';

function sameCidr(text: string, cidr: Cidr): boolean {
  const other = parseCidr(text);
  return other?.base === cidr.base && other.prefix === cidr.prefix;
}
