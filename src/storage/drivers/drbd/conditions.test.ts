import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ReplicaStatus } from '../../../api/replicated-volume.ts';
import { conditionsOf } from './conditions.ts';
import { OPEN_FENCE } from './fence.ts';

const spec = { backend: 'drbd', requestedName: 'a', sizeBytes: 1, replicas: [{ node: 'n1', nodeId: 0 }, { node: 'n2', nodeId: 1 }], fence: OPEN_FENCE };
const good = (node: string): ReplicaStatus => ({ node, disk: 'UpToDate', connection: 'Connected' });
const said = (replicas: readonly ReplicaStatus[], outdated: readonly string[] = []) => conditionsOf('vol-1', { ...spec, fence: { outdated: [...outdated], epoch: 1 } }, { replicas: [...replicas] });
const states = (...given: Parameters<typeof said>) => said(...given).map(({ type, status }) => `${type}=${status}`);

it('is ready and whole while all have the same', () => {
  assert.deepEqual(states([good('n1'), good('n2')]), ['Ready=True', 'Degraded=False', 'SplitBrain=False']);
});

it('is ready, and lacks something, while one is away, is shut out or is copied to', () => {
  const lacking = ['Ready=True', 'Degraded=True', 'SplitBrain=False'];
  assert.deepEqual(states([{ ...good('n1'), connection: 'WFConnection' }]), lacking);
  assert.deepEqual(states([good('n1'), good('n2')], ['n2']), lacking);
  const [, degraded] = said([good('n1'), { node: 'n2', disk: 'Inconsistent', connection: 'SyncTarget', syncedPercent: 20, message: 'slow' }]);
  assert.equal(degraded?.message, 'n2 is Inconsistent, SyncTarget (20 %): slow');
});

it('is not ready where nobody has all that was written', () => {
  assert.deepEqual(states([good('n1'), { node: 'n2', disk: 'Inconsistent' }], ['n1']), ['Ready=False', 'Degraded=True', 'SplitBrain=False']);
});

it('says what to type where both have changed what they had', () => {
  const split = said([{ ...good('n1'), connection: 'StandAlone', splitBrain: true }, { ...good('n2'), connection: 'WFConnection' }]).find(({ type }) => type === 'SplitBrain');
  assert.equal(split?.status, 'True');
  assert.match(split?.message ?? '', /to give up what was written on n1: kubectl patch replicatedvolume vol-1 --type=merge -p '\{"spec":\{"discard":"n1"\}\}'; or to give up what was written on n2: kubectl/);
});
