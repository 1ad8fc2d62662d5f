import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { examplePod, exampleSpec } from '../examples.ts';
import { memoryVolumeBytes } from './memory-volume.ts';

const MI = 2 ** 20;

describe('an emptyDir in memory', () => {
  const limited = (memory?: string) => exampleSpec('c', memory === undefined ? {} : { resources: { limits: { memory } } });
  for (const [what, containers, sizeLimit, expected] of [
    ['what the node has, where nothing bounds it', [limited()], undefined, 400],
    ['its own size', [limited()], '10Mi', 10],
    ['what all containers may have together', [limited('64Mi'), limited('32Mi')], undefined, 96],
    ['what the node has, where one container is not bounded', [limited('64Mi'), limited()], undefined, 400],
    ['the least of them', [limited('64Mi')], '128Mi', 64],
    ['no more than the node has', [limited('8Gi')], '1Gi', 400],
  ] as const) it(`holds ${what}`, () => assert.equal(memoryVolumeBytes(examplePod({ containers }), sizeLimit, 400 * MI), expected * MI));
});
