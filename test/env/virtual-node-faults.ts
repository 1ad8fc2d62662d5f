import { after, before, describe, it } from 'node:test';
import type { Recovery } from './fault-cluster.ts';
import { randomOf, tableOf } from './faults.ts';
import { victims, VirtualNodeFaults, type Victim } from './virtual-node-faults-cluster.ts';

/** The guest itself dies in one of so many kills. */
const GUEST_DIES_ONCE_IN = 20;

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
      for (let count = 1; count <= kills; count += 1) {
        const recovery = await faults.kill(chosen(next, count), next, count);
        console.log(`kill ${count}, of ${recovery.component}: runs again after ${Math.round(recovery.backMs)} ms, all true ${Math.round(recovery.trueMs)} ms later`);
        recoveries.push(recovery);
      }
    });

    it('leave nothing behind when they and their machine go', () => faults.end());
  });
}

/** Each once, then by chance. */
function chosen(next: () => number, count: number): Victim {
  if (count % GUEST_DIES_ONCE_IN === 0) return 'guest';
  const others = victims.filter((victim) => victim !== 'guest');
  return others[count - 1] ?? others[Math.floor(next() * others.length)] ?? 'guest/yado-relay';
}
