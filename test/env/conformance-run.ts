import { setTimeout as sleep } from 'node:timers/promises';
import type { ConformanceCase } from './conformance-case.ts';
import { differences, normalised, type Difference } from './conformance-compare.ts';
import type { ConformanceNode } from './conformance-node.ts';

/** What has come of one pod on both nodes. */
export interface Verdict {
  readonly one: ConformanceCase;
  readonly found: readonly Difference[];
  readonly error?: string;
}

/** An emulated guest makes a sandbox in some three seconds of its processors; more pods at once only wait for each other. */
const AT_ONCE = 3;
const MOST_LOOKS = 4;

/** Runs the pods on both nodes, the ones that wait for something first. */
export async function compareAll(table: readonly ConformanceCase[], [kubelet, virtual]: readonly [ConformanceNode, ConformanceNode], deadlineMs: number, told: (verdict: Verdict) => void = () => {}): Promise<readonly Verdict[]> {
  const queue = [...table];
  const verdicts: Verdict[] = [];
  const work = async (delayMs: number): Promise<void> => {
    await sleep(delayMs);
    for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
      const verdict = await compare(one, [kubelet, virtual], deadlineMs);
      verdicts.push(verdict);
      told(verdict);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => work(index * 500)));
  return verdicts;
}

async function compare(one: ConformanceCase, nodes: readonly [ConformanceNode, ConformanceNode], deadlineMs: number): Promise<Verdict> {
  try {
    const [first, second] = await Promise.all([ofKubelet(one, nodes[0], deadlineMs), nodes[1].observe(one, deadlineMs)]);
    return { one, found: differences(normalised(first.observation, first.names), normalised(second.observation, second.names)) };
  } catch (error) {
    return { one, found: [], error: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * A kubelet removes the containers of a pod that it evicts at once, now and then before it has seen how they ended. It
 * then says ContainerStatusUnknown, with which nothing can be compared, so the pod is run again.
 */
async function ofKubelet(one: ConformanceCase, kubelet: ConformanceNode, deadlineMs: number): Promise<Awaited<ReturnType<ConformanceNode['observe']>>> {
  for (let look = 1; ; look += 1) {
    const seen = await kubelet.observe(one, deadlineMs);
    const { reason } = seen.observation.status as { readonly reason?: string };
    if (look === MOST_LOOKS || reason !== 'Evicted' || !JSON.stringify(seen.observation.status).includes('"ContainerStatusUnknown"')) return seen;
    await kubelet.removed(one);
  }
}

/** What is not as the table says, in lines to read; none when all is. */
export function complaints({ one: { name, differs = {} }, found, error }: Verdict): readonly string[] {
  if (error !== undefined) return [`${name}: ${error}`];
  const known = Object.keys(differs);
  const isOf = (path: string, start: string): boolean => path === start || path.startsWith(`${start}.`);
  return [
    ...found.filter(({ path }) => !known.some((start) => isOf(path, start))).map(({ path, kubelet, virtual }) => `${name}: ${path}\n  kubelet: ${shown(kubelet)}\n  virtual: ${shown(virtual)}`),
    ...known.filter((start) => !found.some(({ path }) => isOf(path, start))).map((start) => `${name}: ${start} is the same now; take it off the list of differences`),
  ];
}

function shown(text: string | undefined): string {
  return text === undefined ? 'none' : text.replaceAll('\n', '\n           ');
}
