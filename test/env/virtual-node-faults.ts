import { after, before, describe, it } from 'node:test';
import type { Recovery } from './fault-cluster.ts';
import { randomOf, tableOf } from './faults.ts';
import { victims, VirtualNodeFaults, type Victim } from './virtual-node-faults-cluster.ts';

/** The guest itself dies in one of so many rounds. */
const GUEST_DIES_ONCE_IN = 8;
const KILLS_IN_A_ROUND = 3;

/** Kills one thing after the other, by chance, under a machine that is a node and pods in it. */
export function describeVirtualNodeFaults(kills: number): void {
  const seed = Number(process.env['YADO_TEST_SEED'] ?? Date.now() % 2 ** 31);
  describe(`pods in a machine under ${kills} kills (YADO_TEST_SEED=${seed})`, { timeout: 300_000 + kills * 120_000 }, () => {
    const recoveries: Recovery[] = [];
    let faults: VirtualNodeFaults;

    before(async () => {
      faults = await VirtualNodeFaults.start();
    });
    after(async () => {
      console.log(tableOf(recoveries));
      await faults?.cluster[Symbol.asyncDispose]();
    });

    it('go on in the same containers, run once, and are told of truly', async () => {
      const next = randomOf(seed);
      for (let count = 1; recoveries.length < kills; count += 1) {
        const round = roundOf(next, count);
        const found = await faults.kill(round, next, count);
        recoveries.push(...found);
        console.log(`${recoveries.length} kills, the last of ${round.join(', ')}: all true after ${Math.round(found.at(-1)?.trueMs ?? NaN)} ms`);
      }
    });

    it('leave nothing behind when they and their machine go', () => faults.end());
  });
}

/** What is killed one after the other, each before all is well again; the guest alone. Those in the guest first: the way to them is what is killed next. */
function roundOf(next: () => number, count: number): readonly Victim[] {
  if (count % GUEST_DIES_ONCE_IN === 0) return ['guest'];
  const others = victims.filter((victim) => victim !== 'guest');
  const chosen = others.map((victim) => ({ victim, rank: next() })).toSorted((one, other) => one.rank - other.rank).slice(0, KILLS_IN_A_ROUND).map(({ victim }) => victim);
  return chosen.toSorted((one, other) => Number(other.startsWith('guest/')) - Number(one.startsWith('guest/')));
}
