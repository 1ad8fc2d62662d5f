import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { CsiDriverUnderTest } from './csi-driver.ts';
import { again, type CsiVolumes } from './csi-volumes.ts';
import { randomOf } from './faults.ts';

export interface KillsSubject {
  readonly driver: CsiDriverUnderTest;
  readonly volumes: CsiVolumes;
  readonly nothingIsLeft: () => Promise<void>;
  readonly capability: object;
}

const ROUNDS = Number(process.env['YADO_TEST_ROUNDS'] ?? 4);
const LIFE_MS = 2_500;

/** Whoever was killed in the middle of a change is taken for alive for some while, by the backend and by whoever waits for a turn. */
const PATIENCE_MS = 240_000;

/** Kills a driver at any moment of a volume's life, whose every call is made twice at once and repeated until it is answered. */
export function describeKills(what: string, subjectOf: () => KillsSubject): void {
  const seed = Number(process.env['YADO_TEST_SEED'] ?? Date.now() % 2 ** 31);
  it(`is killed ${ROUNDS} times in the middle of its calls for ${what}, and leaves nothing (YADO_TEST_SEED=${seed})`, async () => {
    const subject = subjectOf();
    const next = randomOf(seed);
    for (let round = 0; round < ROUNDS; round += 1) {
      const killing = (async () => {
        await delay(next() * LIFE_MS);
        // Every third time what holds the connection has no chance to finish either.
        await subject.driver.kill({ children: round % 3 === 2 });
        await subject.driver.run();
      })();
      await live(subject, `round-${round}`);
      await killing;
    }
    await subject.nothingIsLeft();
  });
}

/** All that a volume, its snapshot and a copy of that go through. */
async function live({ volumes, capability }: KillsSubject, name: string): Promise<void> {
  const copy = `${name}-copy`;
  const id = await twice(() => volumes.create(name, { volumeCapabilities: [capability] }));
  const path = await again(() => volumes.publish(id, name, capability), PATIENCE_MS);
  await writeFile(join(path, 'file'), name, { flush: true });
  const snapshot = await twice(() => volumes.snapshot(id, name));
  const other = await twice(() => volumes.create(copy, { volumeCapabilities: [capability], volumeContentSource: { snapshot: { snapshotId: snapshot } } }));
  assert.equal(await readFile(join(await again(() => volumes.publish(other, copy, capability), PATIENCE_MS), 'file'), 'utf8'), name);
  for (const [one, named] of [[other, copy], [id, name]] as const) {
    await twice(() => volumes.unpublish(one, named));
    await twice(() => volumes.remove(one));
  }
  await twice(() => volumes.removeSnapshot(snapshot));
}

async function twice<T>(call: () => Promise<T>): Promise<T> {
  const [first, second] = await Promise.all([again(call, PATIENCE_MS), again(call, PATIENCE_MS)]);
  assert.deepEqual(first, second);
  return first;
}
