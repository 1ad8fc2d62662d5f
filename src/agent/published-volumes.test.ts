import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { KubeClient } from '../kube/client.ts';
import { FakeApi } from '../kube/fake-api.ts';
import { PublishedVolumes } from './published-volumes.ts';

const root = await mkdtemp(join(tmpdir(), 'yado-kubelet-'));
after(() => rm(root, { recursive: true, force: true }));
const published = new PublishedVolumes({ client: new KubeClient(new FakeApi()), kubeletDirectory: root });

test('a key of a Secret is read where the kubelet puts it, once it is there', async () => {
  const user = { namespace: 'ns', podUid: 'u1' };
  assert.equal(await published.secret(user, 'cloud', 'clouds.yaml'), undefined);
  // What a key names is a link to the content of the day.
  const folder = join(root, 'pods/u1/volumes/kubernetes.io~secret/cloud');
  await mkdir(join(folder, '..2026'), { recursive: true });
  assert.equal(await published.secret(user, 'cloud', 'clouds.yaml'), undefined);
  await writeFile(join(folder, '..2026/clouds.yaml'), 'clouds: {}');
  await symlink('..2026', join(folder, '..data'));
  await symlink('..data/clouds.yaml', join(folder, 'clouds.yaml'));
  assert.equal(await published.secret(user, 'cloud', 'clouds.yaml'), 'clouds: {}');
  assert.equal(await published.secret(user, 'cloud', 'other'), undefined);
  assert.equal(await published.secret({ ...user, podUid: 'u2' }, 'cloud', 'clouds.yaml'), undefined);
});
