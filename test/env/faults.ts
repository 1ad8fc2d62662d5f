import { after, before, describe, it } from 'node:test';
import { FaultCluster, type Recovery } from './fault-cluster.ts';

export interface FaultPlan {
  readonly kills: number;
  /** Components to freeze: a frozen process keeps its connections, so nobody is told that nothing will come. */
  readonly frozen: readonly string[];
}

/** Kills components one after the other, by chance, under a machine and a container on each of two nodes. */
export function describeFaults({ kills, frozen }: FaultPlan): void {
  const seed = Number(process.env['YADO_TEST_SEED'] ?? Date.now() % 2 ** 31);
  describe(`workloads under ${kills} kills (YADO_TEST_SEED=${seed})`, { timeout: 180_000 + kills * 60_000 }, () => {
    const recoveries: Recovery[] = [];
    let faults: FaultCluster;

    before(async () => {
      faults = await FaultCluster.start();
    });
    after(async () => {
      console.log(tableOf(recoveries));
      await faults?.cluster[Symbol.asyncDispose]();
    });

    it('go on in the same process at the same address, and all that is said is true again within 10 s', async () => {
      const next = randomOf(seed);
      for (let kill = 1; kill <= kills; kill += 1) recoveries.push(await faults.kill(next, kill));
    });

    for (const component of frozen) {
      it(`go on while ${component} is frozen for 20 s, and what happened meanwhile is known afterwards`, async () => {
        recoveries.push(await faults.freeze(component));
      });
    }

    it('start again once, at the same address, after their node crashed', () => faults.crashNode());

    it('leave nothing when they are deleted', () => faults.end());
  });
}

/** Numbers from 0 to 1 that the same seed repeats (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A line for each component; `what` is the meaning of the second time. */
export function tableOf(recoveries: readonly Recovery[], what = 'all true later'): string {
  const names = [...new Set(recoveries.map(({ component }) => component))].sort();
  return names.map((name) => {
    const own = recoveries.filter(({ component }) => component === name);
    const worst = (pick: (recovery: Recovery) => number): string => `${Math.round(Math.max(...own.map(pick)))} ms`;
    return `${name.padEnd(24)} killed ${String(own.length).padStart(2)} ×, runs again after ≤ ${worst(({ backMs }) => backMs)}, ${what} ≤ ${worst(({ trueMs }) => trueMs)}`;
  }).join('\n');
}
