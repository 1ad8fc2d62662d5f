import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isTrue } from '../../src/kube/conditions.ts';
import { pods } from '../../src/kube/core.ts';
import type { VirtualMachine } from '../../src/kube/yadokari.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { bootableDisk } from '../env/bootable-disk.ts';
import { documents, object, startTestCluster, tinyImage, tinyMachine, words, type TestCluster } from '../env/cluster.ts';
import { shellContainer } from '../env/container-host-objects.ts';
import { GuestShell } from '../env/guest-shell.ts';

const NAMESPACE = 'machines';
const MI = 2 ** 20;
const START_MS = 90_000;
/** A kubelet looks at the size of a volume when it looks at the pod anew, about once a minute. */
const GROWN_MS = 180_000;

const claim = (name: string, more: object = {}) => ({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '64Mi' } }, ...more } });
const disk = (name: string, of = name) => ({ name, persistentVolumeClaim: of });

/** Claims as disks and as shared files of a real guest, by kubectl alone. */
describe('a virtual machine with claims', { timeout: 900_000 }, () => {
  let cluster: TestCluster;
  let shell: GuestShell;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const eventually = <T>(what: string, probe: () => Promise<T | undefined | false>, deadlineMs = START_MS) => cluster.eventually(what, probe, deadlineMs, NAMESPACE);
  const field = (what: string, path: string) => kubectl('get', what, '-o', `jsonpath={${path}}`);
  const running = (name: string) => cluster.vmThat(NAMESPACE, name, 'runs and its agent answers', ({ status }) => status?.ready === true && status.guest?.agentConnected === true, START_MS);
  const shellOf = ({ metadata, status }: VirtualMachine) => new GuestShell(cluster, status?.node ?? '', metadata.uid ?? '');
  /** Name of the guest's device whose serial number is the disk's name; empty where there is none. */
  const deviceOf = (name: string) => shell.run(`for d in /sys/block/vd*; do [ "$(cat $d/serial)" = ${name} ] && basename $d; done; true`);
  const bytesOf = async (name: string) => Number(await shell.run(`cat /sys/block/${await deviceOf(name)}/size`)) * 512;
  const setDisks = (...disks: readonly object[]) => kubectl('patch', 'vm', 'web', '--type=merge', '-p', JSON.stringify({ spec: { disks } }));

  before(async () => {
    cluster = await startTestCluster({ name: 'mvolumes', nodes: 1, storage: ['local'], imports: [await bootableDisk(join(defaultCacheRoot, 'images'))] });
    await cluster.namespace(NAMESPACE);
    await cluster.apply(NAMESPACE, tinyImage);
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  it('waits for a claim that does not exist, and says so', async () => {
    await cluster.apply(NAMESPACE, tinyMachine('web', { disks: [disk('block'), disk('file')], filesystems: [{ name: 'shared', persistentVolumeClaim: 'shared' }] }));
    await cluster.vmThat(NAMESPACE, 'web', 'is ErrorPvcNotFound', ({ status }) => status?.printableStatus === 'ErrorPvcNotFound');
    assert.match(await field('vm/web', ".status.conditions[?(@.type=='Ready')].message"), /PersistentVolumeClaim block does not exist/);
  });

  it('starts with a block device, a file on a file system and shared files, and is bound to no node by them', async () => {
    await cluster.apply(NAMESPACE, documents(claim('block', { volumeMode: 'Block' }), claim('file'), claim('shared'), claim('late', { volumeMode: 'Block' })));
    const vm = await running('web');
    shell = shellOf(vm);
    assert.equal(vm.status?.home, undefined);
    assert.equal(await bytesOf('block'), 64 * MI);
    assert.equal(await bytesOf('file'), 60 * MI);
    await shell.run('modprobe virtiofs; mkdir -p /mnt/shared; mount -t virtiofs shared /mnt/shared');
    await shell.run(`printf kept > /dev/${await deviceOf('block')}; printf kept > /dev/${await deviceOf('file')}; sync`);
  });

  it('is refused a size that is not the claim\'s to say', async () => {
    assert.match(await cluster.refusal(NAMESPACE, tinyMachine('wrong', { disks: [{ ...disk('d'), size: '1Gi' }] })), /as large as the claim/);
    assert.match(await cluster.refusal(NAMESPACE, tinyMachine('wrong', { disks: [{ ...disk('d'), image: 'tiny' }] })), /exactly one of image, blank, persistentVolumeClaim/);
    assert.match(await cluster.refusal(NAMESPACE, tinyMachine('wrong', { filesystems: [{ name: 'a', persistentVolumeClaim: 'x', tag: 't' }, { name: 'b', persistentVolumeClaim: 'x', tag: 't' }] })), /same tag/);
  });

  it('shares files and locks with a pod', async () => {
    await cluster.apply(NAMESPACE, documents({
      apiVersion: 'v1', kind: 'Pod', metadata: { name: 'friend' },
      spec: { terminationGracePeriodSeconds: 1, volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'shared' } }], containers: [shellContainer('echo from the pod > /v/pod; sleep 100000', { volumeMounts: [{ name: 'v', mountPath: '/v' }] })] },
    }));
    await eventually('the pod is Ready', async () => isTrue((await cluster.client.get(pods, { namespace: NAMESPACE, name: 'friend' })).status?.conditions, 'Ready'));
    assert.equal(await shell.run('cat /mnt/shared/pod'), 'from the pod');
    await shell.run('echo from the guest > /mnt/shared/guest; (flock -n -x 9; exec sleep 100000) 9>/mnt/shared/lock >/dev/null 2>&1 & echo $! > /run/holder; sleep 1');
    assert.equal(await kubectl('exec', 'friend', '--', 'cat', '/v/guest'), 'from the guest\n');
    const lock = () => kubectl('exec', 'friend', '--', 'sh', '-c', 'flock -n /v/lock true; echo $?');
    assert.equal(await lock(), '1\n');
    await shell.run('kill $(cat /run/holder)');
    await eventually('the lock is free', async () => (await lock()) === '0\n');
  });

  it('gets a disk while it runs, without a restart', async () => {
    await setDisks(disk('block'), disk('file'), disk('late'));
    await eventually('the guest has it', async () => (await deviceOf('late')) !== '');
    await shell.run(`printf late > /dev/${await deviceOf('late')}; sync`);
    const { status } = await cluster.vmThat(NAMESPACE, 'web', 'reports it', (vm) => vm.status?.guest?.disks?.some(({ name, attached }) => name === 'late' && attached) === true);
    assert.equal(status?.conditions?.find(({ type }) => type === 'RestartRequired'), undefined);
    await kubectl('patch', 'pvc', 'late', '-p', '{"spec":{"resources":{"requests":{"storage":"96Mi"}}}}');
  });

  it('does not share a disk with another machine, which waits and says for whom', async () => {
    await cluster.apply(NAMESPACE, tinyMachine('rival', { disks: [disk('block')] }));
    await cluster.vmThat(NAMESPACE, 'rival', 'waits', ({ status }) => status?.conditions?.some(({ reason, message }) => reason === 'ClaimInUse' && /VirtualMachine web too/.test(message ?? '')) === true);
    await kubectl('delete', 'vm', 'rival');
  });

  it('sees a disk grow with its claim', async () => {
    await eventually('it has grown', async () => (await bytesOf('late')) === 96 * MI, GROWN_MS);
  });

  it('lets go of a disk while it runs, and the volume is free for others', async () => {
    await setDisks(disk('block'), disk('file'));
    await eventually('the guest has let go of it', async () => (await deviceOf('late')) === '');
    await eventually('the pod that held it is gone', async () => (await kubectl('get', 'pods', '-l', 'yadokari.dev/attachment', '-o', 'name')) === '');
    await kubectl('delete', 'pvc', 'late', '--timeout=60s');
  });

  it('keeps what was written over a restart', async () => {
    const before = await cluster.vm(NAMESPACE, 'web');
    await kubectl('annotate', 'vm', 'web', 'yadokari.dev/restarted-at=now');
    await cluster.vmThat(NAMESPACE, 'web', 'has another anchor', ({ status }) => status?.anchor !== before.status?.anchor);
    shell = shellOf(await running('web'));
    for (const name of ['block', 'file']) assert.equal(await shell.run(`head -c 4 /dev/${await deviceOf(name)}`), 'kept');
  });

  it('has disks in a StorageClass made for it, of an image that was copied there once, and gone with the machine', async () => {
    // Any file will do as an image of a disk.
    await cluster.apply(NAMESPACE, object('VirtualMachineImage', 'bytes', { format: 'raw', source: { file: { path: '/var/lib/yadokari/import/tiny.tar' } } }));
    const root = (volumeMode: string) => ({ name: 'root', image: 'bytes', storageClassName: 'local', volumeMode, size: '64Mi' });
    await cluster.apply(NAMESPACE, tinyMachine('cloned', { disks: [root('Block'), { name: 'empty', blank: {}, storageClassName: 'local', size: '32Mi' }] }));
    const holder = await eventually('the image is copied', async () => words(await kubectl('get', 'pvc', '-l', 'yadokari.dev/image=bytes', '-o', "jsonpath={.items[?(@.metadata.annotations.yadokari\\.dev/image-key)].metadata.name}"))[0]);
    const vm = await running('cloned');
    const guest = shellOf(vm);
    assert.match(await guest.run('for d in /sys/block/vd*; do [ "$(cat $d/serial)" = root ] && tar -tf /dev/$(basename $d); done; true'), /vmlinuz/);
    assert.equal(await field('pvc/cloned-root', '.spec.dataSource.name'), holder);
    await cluster.apply(NAMESPACE, tinyMachine('second', { disks: [root('Block')] }));
    await running('second');
    assert.equal(words(await kubectl('get', 'pvc', '-l', 'yadokari.dev/image=bytes', '-o', 'name')).length, 1);
    for (const name of ['cloned', 'second']) await cluster.deleteMachine(NAMESPACE, name, START_MS);
    await kubectl('delete', 'vmimage', 'bytes');
    await eventually('their claims are gone', async () => words(await kubectl('get', 'pvc', '-o', 'jsonpath={.items[*].metadata.name}')).every((name) => ['block', 'file', 'shared'].includes(name)));
  });

  it('boots from a copy of the disk of another machine that runs: of its claim, and of a snapshot of that', async () => {
    const booted = async (name: string, root: object) => {
      await cluster.apply(NAMESPACE, object('VirtualMachine', name, { memory: '192Mi', terminationGracePeriodSeconds: 10, disks: [{ name: 'root', ...root }] }));
      const guest = shellOf(await running(name));
      // The disk's own loader says so.
      assert.match(await guest.run('cat /proc/cmdline'), /BOOT_IMAGE=vmlinuz/);
      return guest;
    };
    const lastBlock = 'bs=512 seek=131071 count=1';
    const read = `dd if=/dev/vda ${lastBlock.replace('seek', 'skip')} 2>/dev/null | tr -d '\\0'`;
    const write = (text: string) => `printf ${text} | dd of=/dev/vda ${lastBlock} conv=sync,fsync 2>/dev/null`;
    await cluster.apply(NAMESPACE, object('VirtualMachineImage', 'bootable', { format: 'raw', source: { file: { path: '/var/lib/yadokari/import/bootable.raw' } } }));
    const original = await booted('original', { image: 'bootable', storageClassName: 'local', volumeMode: 'Block', size: '64Mi' });
    await original.run(write('early'));
    await cluster.apply(NAMESPACE, documents({ apiVersion: 'snapshot.storage.k8s.io/v1', kind: 'VolumeSnapshot', metadata: { name: 'then' }, spec: { volumeSnapshotClassName: 'local', source: { persistentVolumeClaimName: 'original-root' } } }));
    await kubectl('wait', '--for=jsonpath={.status.readyToUse}=true', 'volumesnapshot/then', '--timeout=60s');
    await original.run(write('late'));
    const copyOf = (name: string, dataSource: object) => documents(claim(name, { volumeMode: 'Block', dataSource }));
    await cluster.apply(NAMESPACE, copyOf('of-snapshot', { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 'then' }) + copyOf('of-claim', { kind: 'PersistentVolumeClaim', name: 'original-root' }));
    for (const [name, text] of [['of-snapshot', 'early'], ['of-claim', 'late']] as const) {
      const guest = await booted(name, { persistentVolumeClaim: name });
      assert.equal(await guest.run(read), text);
      await guest.run(write('own'));
      assert.equal(await original.run(read), 'late');
      await cluster.deleteMachine(NAMESPACE, name, START_MS);
    }
    await cluster.deleteMachine(NAMESPACE, 'original', START_MS);
    await kubectl('delete', 'vmimage/bootable', 'volumesnapshot/then', 'pvc/of-snapshot', 'pvc/of-claim');
    await eventually('the claims of machine and image are gone', async () => words(await kubectl('get', 'pvc', '-o', 'jsonpath={.items[*].metadata.name}')).every((name) => ['block', 'file', 'shared'].includes(name)));
  });

  it('leaves nothing behind but the claims', async () => {
    await cluster.deleteMachine(NAMESPACE, 'web', START_MS);
    await kubectl('delete', 'pod', 'friend');
    assert.deepEqual(words(await kubectl('get', 'pods', '-o', 'name')), []);
    assert.deepEqual(words(await kubectl('get', 'pvc', '-o', 'jsonpath={.items[*].metadata.name}')).toSorted(), ['block', 'file', 'shared']);
    assert.equal(await cluster.shell('n1', 'pgrep -c virtiofsd || true'), '0\n');
  });
});
