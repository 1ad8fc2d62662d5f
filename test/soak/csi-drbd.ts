import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { silentProgress } from '../../src/base/progress.ts';
import { replicatedVolumes } from '../../src/kube/yadokari.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { ensureExtraProgram } from '../../src/local/toolchain/toolchain.ts';
import { again } from '../env/csi-volumes.ts';
import { DrbdCluster, type DrbdNode } from '../env/drbd-cluster.ts';
import { randomOf } from '../env/faults.ts';

const MI = 2 ** 20;
const ROUNDS = Number(process.env['YADO_TEST_ROUNDS'] ?? 100);
const seed = Number(process.env['YADO_TEST_SEED'] ?? Date.now() % 2 ** 31);
const capability = { mount: { fsType: 'ext4' }, accessMode: { mode: 'SINGLE_NODE_WRITER' } };

describe('volumes that DRBD replicates, for hours', { timeout: 4 * 3_600_000 }, () => {
  let cluster: DrbdCluster;
  let sanity: string;

  const nothingIsLeft = async (): Promise<void> => {
    assert.deepEqual((await cluster.api.client.list(replicatedVolumes)).items.map(({ metadata }) => metadata.name), []);
    for (const node of cluster.nodes) assert.equal(await node.sh('grep -c cs:[^U] /proc/drbd; ls /etc/drbd.d/*.res 2>/dev/null; LVM_SUPPRESS_FD_WARNINGS=1 lvs --noheadings -o lv_name vg | grep yado; grep drbd /proc/mounts; true'), '0');
  };

  before(async () => {
    sanity = await ensureExtraProgram('csi-sanity', { modules: join(import.meta.dirname, '../../deploy/toolchain'), cache: defaultCacheRoot, environment: process.env, progress: silentProgress });
    cluster = await DrbdCluster.start({ settings: { thinPool: 'pool' } });
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
  });

  it('pass the sanity tests of CSI', async () => {
    const [one] = cluster.nodes;
    const said = await one.sh(`cd /run; '${sanity}' --csi.endpoint /run/csi.sock --csi.testvolumesize ${32 * MI} --csi.testvolumeexpandsize ${48 * MI} --csi.mountdir /run/sanity --csi.stagingdir /run/sanity-staging --ginkgo.no-color || true`, 3_600_000);
    const [line = '', passed = '0', failed] = /(\d+) Passed \| (\d+) Failed.*/.exec(said) ?? [];
    console.log(`csi-sanity: ${line}`);
    assert.equal(failed, '0', said.slice(-6000));
    assert.ok(Number(passed) >= 35, said.slice(-2000));
    await nothingIsLeft();
  });

  it(`leave nothing when drivers are killed ${ROUNDS} times in the middle of calls that are made twice at once (YADO_TEST_SEED=${seed})`, async () => {
    const next = randomOf(seed);
    for (let round = 0; round < ROUNDS; round += 1) {
      const victim = cluster.nodes[round % 2] as DrbdNode;
      const killing = (async () => {
        await delay(next() * 15_000);
        await victim.killDriver();
        await victim.startDriver();
      })();
      await live(cluster, `round-${round}`);
      await killing;
    }
    await nothingIsLeft();
  });
});

/** All that a volume goes through: made, written to on one node, moved to the other, removed. */
async function live({ nodes: [one, two] }: DrbdCluster, name: string): Promise<void> {
  const { volume: { volumeId } } = await twice(() => one.call('CreateVolume', { name, capacityRange: { requiredBytes: 32 * MI }, volumeCapabilities: [capability] }));
  const stagingTargetPath = `/run/staged/${name}`;
  await twice(() => one.call('NodeStageVolume', { volumeId, stagingTargetPath, volumeCapability: capability }));
  await one.sh(`echo ${name} > ${stagingTargetPath}/file; sync -f ${stagingTargetPath}`);
  await twice(() => one.call('NodeUnstageVolume', { volumeId, stagingTargetPath }));
  await twice(() => two.call('NodeStageVolume', { volumeId, stagingTargetPath, volumeCapability: capability }));
  assert.equal(await two.sh(`cat ${stagingTargetPath}/file`), name);
  await twice(() => two.call('NodeUnstageVolume', { volumeId, stagingTargetPath }));
  await twice(() => two.call('DeleteVolume', { volumeId }));
}

async function twice<T>(call: () => Promise<T>): Promise<T> {
  const [first, second] = await Promise.all([again(call, 240_000), again(call, 240_000)]);
  assert.deepEqual(first, second);
  return first;
}
