import assert from 'node:assert/strict';
import { it } from 'node:test';
import { KubeClient } from '../kube/client.ts';
import { FakeApi } from '../kube/fake-api.ts';
import { leftoversOf, leftoversOn } from './leftovers.ts';
import type { Backend, NodeVolumes } from './port.ts';

const signal = AbortSignal.timeout(20_000);
const DRIVER = 'ceph.rbd.csi.yadokari.dev';

function given({ topology }: { readonly topology?: Readonly<Record<string, string>> } = {}) {
  const api = new FakeApi();
  const put = (path: string, name: string, fields: object): void => {
    api.put(path, { metadata: { name }, ...fields });
  };
  const backend = {
    kind: 'rbd', features: { snapshots: true, ...(topology === undefined ? {} : { topology }) },
    list: async () => ['vol-a', 'vol-b'].map((id) => ({ id, name: `name of ${id}`, sizeBytes: 1 })),
    snapshots: async () => [{ id: 'snap-a', name: 's', volume: 'vol-a', sizeBytes: 1, createdAtMs: 0 }],
    remnants: async () => ['image x is of no volume'],
    publishing: { published: async () => new Map([['vol-a', ['n1/10.0.0.1', 'n2']]]) },
  } as unknown as Backend;
  return {
    options: { client: new KubeClient(api), driver: DRIVER, backend },
    volume: (name: string, volumeHandle: string, driver = DRIVER, more: object = {}) => put('/api/v1/persistentvolumes', name, { spec: { csi: { driver, volumeHandle }, ...more } }),
    attachment: (name: string, nodeName: string, persistentVolumeName: string) => put('/apis/storage.k8s.io/v1/volumeattachments', name, { spec: { attacher: DRIVER, nodeName, source: { persistentVolumeName } } }),
    content: (name: string, snapshotHandle: string) => put('/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents', name, { spec: { driver: DRIVER, source: {} }, status: { snapshotHandle } }),
  };
}

it('tells of volumes and snapshots that no object is for, of objects without them, and of whom nobody attaches for', async () => {
  const { options, volume, attachment, content } = given();
  volume('pv-a', 'vol-a');
  volume('pv-c', 'vol-c');
  volume('theirs', 'vol-b', 'theirs');
  attachment('one', 'n1', 'pv-a');
  content('content-b', 'snap-b');
  assert.deepEqual(await leftoversOf(options, signal), [
    'volume vol-b (name of vol-b) has no PersistentVolume',
    'snapshot snap-a (s) has no VolumeSnapshotContent',
    'PersistentVolume pv-c is for a volume vol-c that is not there',
    'VolumeSnapshotContent content-b is for a snapshot snap-b that is not there',
    'volume vol-a is published to node n2, and there is no VolumeAttachment for that',
    'image x is of no volume',
  ]);
});

it('leaves the volumes of another node to that', async () => {
  const { options, volume, content } = given({ topology: { 'topology.yadokari.dev/node': 'n1' } });
  for (const [name, handle, node] of [['pv-a', 'vol-a', 'n1'], ['pv-b', 'vol-b', 'n1'], ['pv-c', 'vol-c', 'n2'], ['pv-d', 'vol-d', 'n1']] as const) {
    volume(name, handle, DRIVER, { nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'topology.yadokari.dev/node', operator: 'In', values: [node] }] }] } } });
  }
  content('a', 'snap-a');
  content('elsewhere', 'snap-z');
  const found = await leftoversOf(options, signal);
  assert.deepEqual(found.filter((line) => /^(volume vol-. \(|snapshot|Persistent|VolumeSnapshot)/.test(line)), ['PersistentVolume pv-d is for a volume vol-d that is not there']);
});

it('tells of what a node has attached that nobody there uses', async () => {
  const { options, volume, attachment } = given();
  volume('pv-a', 'vol-a');
  volume('pv-b', 'vol-b');
  attachment('one', 'n1', 'pv-a');
  attachment('two', 'n2', 'pv-b');
  const volumes = { attached: async () => ['vol-a', 'vol-b'] } as unknown as NodeVolumes;
  assert.deepEqual(await leftoversOn('n1', volumes, options, signal), ['node n1 has volume vol-b attached, and nobody there uses it']);
});
