import { readFile } from 'node:fs/promises';
import type { ReplicatedVolume } from '../../../kube/yadokari.ts';
import { StorageError } from '../../port.ts';
import type { DrbdKernel } from './kernel.ts';
import type { DrbdSettings } from './settings.ts';

export interface ReplicaNumbers {
  readonly minor: number;
  readonly port: number;
}

/** Below are minors of whoever else uses DRBD on a node. */
const FIRST_MINOR = 1000;
const LAST_MINOR = 2 ** 20 - 1;

/**
 * Minors and ports of this node's replicas. Each node gives out its own, which nobody else does, so that no two ever
 * have the same; what it gave out is in the status of the volumes.
 */
export class NodeNumbers {
  readonly #node: string;
  readonly #ports: DrbdSettings['ports'];
  readonly #kernel: DrbdKernel;
  /** Given out, and perhaps not in the status yet. */
  readonly #given = new Map<string, ReplicaNumbers>();

  constructor({ node, ports, kernel }: { readonly node: string; readonly ports: DrbdSettings['ports']; readonly kernel: DrbdKernel }) {
    this.#node = node;
    this.#ports = ports;
    this.#kernel = kernel;
  }

  /** Those of a volume, if it has some. */
  of(volume: ReplicatedVolume): ReplicaNumbers | undefined {
    const { minor, port } = volume.status?.replicas?.find((replica) => replica.node === this.#node) ?? {};
    return minor === undefined || port === undefined ? this.#given.get(volume.metadata.name) : { minor, port };
  }

  /** `all`: every volume, of whatever backend. */
  async take(volume: ReplicatedVolume, all: readonly ReplicatedVolume[]): Promise<ReplicaNumbers> {
    const [states, listening] = [await this.#kernel.states(), await listeningPorts()];
    // From here on nobody else is let in between.
    const taken = [...all.map((one) => this.of(one)), ...this.#given.values()].filter((one) => one !== undefined);
    const minors = new Set([...states.keys(), ...taken.map((one) => one.minor)]);
    const ports = new Set([...listening, ...taken.map((one) => one.port)]);
    const numbers = { minor: free(FIRST_MINOR, LAST_MINOR, minors, 'minor'), port: free(this.#ports.first, this.#ports.last, ports, 'port') };
    this.#given.set(volume.metadata.name, numbers);
    return numbers;
  }

  release(id: string): void {
    this.#given.delete(id);
  }
}

function free(first: number, last: number, taken: ReadonlySet<number>, what: string): number {
  for (let number = first; number <= last; number += 1) if (!taken.has(number)) return number;
  throw new StorageError('NoSpace', `no ${what} from ${first} to ${last} is left on this node`);
}

/** TCP ports of this machine that somebody has, by https://docs.kernel.org/networking/proc_net_tcp.html. */
async function listeningPorts(): Promise<ReadonlySet<number>> {
  const texts = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')));
  const lines = texts.flatMap((text) => text.split('\n').slice(1));
  return new Set(lines.map((line) => Number.parseInt(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /.exec(line)?.[1] ?? '', 16)).filter((port) => !Number.isNaN(port)));
}
