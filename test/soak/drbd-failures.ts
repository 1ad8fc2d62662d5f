import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { ReplicaStatus } from '../../src/api/replicated-volume.ts';
import { isTrue } from '../../src/kube/conditions.ts';
import { replicatedVolumes, type ReplicatedVolume } from '../../src/kube/yadokari.ts';
import { again } from '../env/csi-volumes.ts';
import { DrbdCluster, type DrbdNode } from '../env/drbd-cluster.ts';

const MI = 2 ** 20;
const mountable = { mount: { fsType: 'ext4' }, accessMode: { mode: 'SINGLE_NODE_WRITER' } };

const replica = (volume: ReplicatedVolume, node: string): ReplicaStatus | undefined => volume.status?.replicas?.find((one) => one.node === node);
const whole = (volume: ReplicatedVolume): boolean => ['n1', 'n2'].every((node) => replica(volume, node)?.disk === 'UpToDate' && replica(volume, node)?.connection === 'Connected') && volume.spec.fence.outdated.length === 0;

/** Two machines under Debian's kernel, with DRBD 8.4: what volumes are there for, and what becomes of them when nodes and networks fail. */
describe('volumes that DRBD replicates, when nodes and networks fail', { timeout: 3_600_000 }, () => {
  let cluster: DrbdCluster;
  let one: DrbdNode;
  let two: DrbdNode;

  const make = (name: string, sizeMiB: number) => patient(() => one.call('CreateVolume', { name, capacityRange: { requiredBytes: sizeMiB * MI }, volumeCapabilities: [mountable] }));
  const create = async (name: string): Promise<string> => (await make(name, 32))['volume'].volumeId;
  const staging = (id: string): string => `/run/staged/${id}`;
  const stage = (node: DrbdNode, id: string) => node.call('NodeStageVolume', { volumeId: id, stagingTargetPath: staging(id), volumeCapability: mountable });
  const use = (node: DrbdNode, id: string) => patient(() => stage(node, id));
  const unstage = (node: DrbdNode, id: string) => patient(() => node.call('NodeUnstageVolume', { volumeId: id, stagingTargetPath: staging(id) }));
  const remove = (id: string) => patient(() => one.call('DeleteVolume', { volumeId: id }));
  const write = (node: DrbdNode, id: string) => node.sh(`dd if=/dev/urandom of=${staging(id)}/file bs=64k count=48 status=none && sync -f ${staging(id)} && md5sum < ${staging(id)}/file`);
  const sum = (node: DrbdNode, id: string) => node.sh(`md5sum < ${staging(id)}/file`);
  const patch = (id: string, spec: object) => cluster.api.client.patch(replicatedVolumes, { name: id }, { spec });

  before(async () => {
    cluster = await DrbdCluster.start({ settings: { thinPool: 'pool' } });
    [one, two] = cluster.nodes;
  });
  afterEach(async (context) => {
    if ((context as { readonly passed?: boolean }).passed !== true) console.log(await cluster.debug());
    // What fails in one is not to be the next one's fault.
    for (const { machine } of cluster.nodes) for (const link of ['replication', 'api'] as const) await machine.setLink(link, true).catch(() => {});
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
  });

  it('are made on two nodes at once, are the same on both, grow in use, and go for good', async () => {
    const [created, repeated] = [await make('a', 30), await make('a', 30)];
    const { volumeId: id, capacityBytes, accessibleTopology } = created['volume'];
    assert.deepEqual([repeated['volume'].volumeId, Number(capacityBytes)], [id, 32 * MI]);
    assert.deepEqual(accessibleTopology.map(({ segments }: { segments: Record<string, string> }) => segments['topology.yadokari.dev/node']).sort(), ['n1', 'n2']);
    await use(one, id);
    const written = await write(one, id);
    await assert.rejects(stage(two, id), /FAILED_PRECONDITION.*n1 writes to it/);
    await assert.rejects(one.call('DeleteVolume', { volumeId: id }), /FAILED_PRECONDITION.*in use on node n1/);
    await patient(() => one.call('ControllerExpandVolume', { volumeId: id, capacityRange: { requiredBytes: 64 * MI } }));
    await patient(() => one.call('NodeExpandVolume', { volumeId: id, volumePath: staging(id), capacityRange: { requiredBytes: 64 * MI } }));
    await unstage(one, id);
    // A planned move.
    await use(two, id);
    assert.equal(await sum(two, id), written);
    await unstage(two, id);
    await patch(id, { verify: 1 });
    const compared = await cluster.until(id, (volume) => volume.status?.replicas?.some(({ verified }) => verified === 1) === true);
    assert.deepEqual(compared.status?.replicas?.map(({ outOfSyncBytes = 0 }) => outOfSyncBytes), [0, 0]);
    await remove(id);
    await remove(id);
    for (const node of cluster.nodes) assert.equal(await node.sh('grep -c cs:[^U] /proc/drbd; ls /etc/drbd.d/*.res 2>/dev/null; LVM_SUPPRESS_FD_WARNINGS=1 lvs --noheadings -o lv_name vg | grep yado; true'), '0');
  });

  it('are there on the other node after a crash of the one that wrote, and are made whole once that is back', async () => {
    const id = await create('crash');
    await use(one, id);
    const written = await write(one, id);
    await one.machine.crash();
    // Until it is missed it is taken for the writer.
    await use(two, id);
    assert.equal(await sum(two, id), written);
    const { spec: { fence } } = await cluster.until(id, (volume) => volume.spec.fence.outdated.includes('n1'));
    assert.deepEqual([fence.outdated, fence.by], [['n1'], 'n2']);
    const after_ = await write(two, id);
    await one.machine.boot();
    await one.startDriver();
    await cluster.until(id, whole);
    await unstage(two, id);
    await use(one, id);
    assert.equal(await sum(one, id), after_);
    await unstage(one, id);
    await remove(id);
  });

  it('never have two writers while the nodes do not see each other: whoever asks the API first goes on, and the other is refused', async () => {
    const id = await create('partition');
    await use(one, id);
    await two.machine.setLink('replication', false);
    // It waits until it is decided, then goes on: alone.
    const written = await write(one, id);
    assert.deepEqual((await cluster.volume(id))?.spec.fence.outdated, ['n2']);
    await assert.rejects(stage(two, id), /FAILED_PRECONDITION.*n1 has what n2 lacks/);
    await assert.rejects(two.sh(`drbdadm primary ${resource(id)}`, 240_000), /on n2 ended with \d+/);
    await two.machine.setLink('replication', true);
    await cluster.until(id, whole);
    await unstage(one, id);
    await use(two, id);
    assert.equal(await sum(two, id), written);
    await unstage(two, id);
    await remove(id);
  });

  it('let no write of a node through that sees neither the API nor the others, and is replaced', async () => {
    const id = await create('replaced');
    await use(one, id);
    const before_ = await write(one, id);
    for (const link of ['replication', 'api'] as const) await one.machine.setLink(link, false);
    await one.sh(`(while sleep 0.2; do date +%s%N >> ${staging(id)}/late && sync -f ${staging(id)}; done) > /dev/null 2>&1 < /dev/null & true`);
    await use(two, id);
    assert.equal(await sum(two, id), before_);
    const written = await write(two, id);
    assert.equal(await two.sh(`cat ${staging(id)}/late 2> /dev/null | wc -c`), '0');
    for (const link of ['replication', 'api'] as const) await one.machine.setLink(link, true);
    // Its writes fail, and once it has let go it is copied to.
    await cluster.until(id, (volume) => replica(volume, 'n1')?.disk === 'Diskless' || replica(volume, 'n1')?.role === 'Secondary');
    await one.sh(`umount -l ${staging(id)}`);
    await unstage(one, id);
    await cluster.until(id, whole);
    assert.equal(await sum(two, id), written);
    await unstage(two, id);
    await remove(id);
  });

  it('are given up on no side where both have changed them, until somebody says which', async () => {
    const id = await create('split');
    const name = resource(id);
    for (const node of cluster.nodes) await node.killDriver();
    await two.machine.setLink('replication', false);
    // What the driver never does, and nobody should.
    for (const node of cluster.nodes) await node.sh(`drbdadm disconnect ${name}; drbdadm primary --force ${name} && mkdir -p /run/by-hand && device=$(drbdadm sh-dev ${name}) && mkfs.ext4 -q -F $device && mount $device /run/by-hand && echo ${node.name} > /run/by-hand/who && umount /run/by-hand && drbdadm secondary ${name}`);
    await two.machine.setLink('replication', true);
    for (const node of cluster.nodes) await node.startDriver();
    const split = await cluster.until(id, (volume) => isTrue(volume.status?.conditions, 'SplitBrain'));
    const said = split.status?.conditions?.find(({ type }) => type === 'SplitBrain')?.message ?? '';
    const [, decision = ''] = /to give up what was written on n2: kubectl patch replicatedvolume \S+ --type=merge -p '(\S+)'/.exec(said) ?? [];
    await assert.rejects(stage(one, id), /FAILED_PRECONDITION.*nothing is given up by itself.*kubectl patch replicatedvolume/s);
    await assert.rejects(stage(two, id), /FAILED_PRECONDITION/);
    assert.equal((await one.call('ControllerGetVolume', { volumeId: id }))['status'].volumeCondition.abnormal, true);
    await cluster.api.client.patch(replicatedVolumes, { name: id }, JSON.parse(decision) as object);
    const healed = await cluster.until(id, whole);
    assert.deepEqual([healed.spec.discard, isTrue(healed.status?.conditions, 'SplitBrain')], [undefined, false]);
    await use(two, id);
    assert.equal(await two.sh(`cat ${staging(id)}/who`), 'n1');
    await unstage(two, id);
    await remove(id);
  });
});

/** As a kubelet and the sidecars are. */
function patient<T>(call: () => Promise<T>): Promise<T> {
  return again(call, 300_000);
}

function resource(id: string): string {
  return id.replace('vol-', 'yado-');
}
