import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * `fenced`: the API says that the others lack what is written here. `split-brain`: DRBD says that both sides have changed.
 * `growing`: this node may write for no other reason than to let the volume grow.
 */
export type Fact = 'fenced' | 'split-brain' | 'growing';

/** For long enough that a driver that is there decides within it; what it decides later it does itself. */
const DECIDED_SECONDS = 20;

/**
 * What the kernel's calls for help find on this node: they ask nobody, so that they need no driver to end. Gone after
 * a reboot, as the kernel's own state is.
 */
export class Facts {
  readonly #folder: string;

  constructor(folder = '/run/yadokari/drbd') {
    this.#folder = folder;
  }

  /** Makes the programs that the kernel is to call. */
  async prepare(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await writeFile(join(this.#folder, 'fence-peer'), FENCE_PEER);
  }

  has(resource: string, fact: Fact): boolean {
    return existsSync(this.#path(resource, fact));
  }

  async set(resource: string, fact: Fact): Promise<void> {
    await writeFile(this.#path(resource, fact), '');
  }

  async unset(resource: string, fact: Fact): Promise<void> {
    await rm(this.#path(resource, fact), { force: true });
  }

  /** Command lines of the handlers. */
  handlers(resource: string, minor: number): { readonly fencePeer: string; readonly splitBrain: string } {
    return { fencePeer: `sh ${join(this.#folder, 'fence-peer')} ${this.#path(resource, 'fenced')} ${minor}`, splitBrain: `touch ${this.#path(resource, 'split-brain')}` };
  }

  #path(resource: string, fact: Fact): string {
    return join(this.#folder, `${resource}.${fact}`);
  }
}

/** 4: the peer is outdated, go on. Anything else leaves reads and writes waiting. https://linux.die.net/man/5/drbd.conf */
const FENCE_PEER = `# Called by DRBD on a node that writes and has lost the other: yado-csi makes the file once the API has shut that out.
# A node that does not write yet has asked the API before, and is told at once.
tries=0
while [ "$tries" -lt ${DECIDED_SECONDS * 5} ]; do
  [ -e "$1" ] && exit 4
  grep -q "^ *$2: .* ro:Primary/" /proc/drbd || exit 1
  sleep 0.2
  tries=$((tries + 1))
done
exit 1
`;
