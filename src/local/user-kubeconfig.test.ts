import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { kubeconfigEntries } from './kubeconfig.ts';
import { mergeKubeconfig, mergeKubeconfigFile, removeFromKubeconfig, removeFromKubeconfigFile } from './user-kubeconfig.ts';

const entries = (server = 'https://10.55.0.1:6443') =>
  kubeconfigEntries({ name: 'yadokari', server, authorityCertificate: 'ca', credentials: { certificate: 'crt', key: 'key' } });

const foreign = `# my clusters
apiVersion: v1
kind: Config
clusters:
  - name: work # the big one
    cluster: {server: "https://work:6443"}
users:
  - name: me
    user: {token: secret}
contexts:
  - name: work
    context: {cluster: work, user: me}
current-context: work
`;

interface Config { readonly 'clusters': readonly { readonly name: string; readonly cluster: { readonly server: string } }[]; readonly 'contexts': readonly { readonly name: string }[]; readonly 'current-context': string }

describe('the person\'s kubeconfig', () => {
  it('begins with ours when there was none', () => {
    const config = parse(mergeKubeconfig('', entries())) as Config;
    assert.deepEqual(config.contexts.map(({ name }) => name), ['yadokari']);
    assert.equal(config['current-context'], 'yadokari');
  });

  it('keeps what is not ours, with its comments', () => {
    const text = mergeKubeconfig(foreign, entries());
    assert.match(text, /# my clusters/);
    assert.match(text, /name: work # the big one/);
    assert.deepEqual((parse(text) as Config).clusters.map(({ name }) => name), ['work', 'yadokari']);
  });

  it('replaces our entries instead of adding them twice', () => {
    const text = mergeKubeconfig(mergeKubeconfig(foreign, entries()), entries('https://10.55.7.1:6443'));
    const { clusters } = parse(text) as Config;
    assert.deepEqual(clusters.map(({ cluster }) => cluster.server), ['https://work:6443', 'https://10.55.7.1:6443']);
  });

  it('adds to the empty lists that kubectl leaves', () => {
    const text = mergeKubeconfig('apiVersion: v1\nkind: Config\nclusters: []\ncontexts: null\nusers: []\n', entries());
    assert.equal((parse(text) as Config).contexts.length, 1);
  });

  it('is as before once ours are taken out, but for the current context', () => {
    const text = removeFromKubeconfig(mergeKubeconfig(foreign, entries()), 'yadokari');
    assert.deepEqual(parse(text), { ...(parse(foreign) as object), 'current-context': '' });
  });

  it('leaves the current context alone when it is not ours', () => {
    const chosen = mergeKubeconfig(foreign, entries()).replace('current-context: yadokari', 'current-context: work');
    assert.equal((parse(removeFromKubeconfig(chosen, 'yadokari')) as Config)['current-context'], 'work');
  });

  it('is not touched when it cannot be read', () => {
    assert.throws(() => mergeKubeconfig('clusters: [', entries()), { code: 'BadKubeconfig' });
  });

  it('survives several writers at once, readable by its owner alone', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'yado-kubeconfig-'));
    const file = join(folder, '.kube', 'config');
    const named = (name: string) => kubeconfigEntries({ name, server: 'https://x', authorityCertificate: '', credentials: { certificate: '', key: '' } });
    try {
      await Promise.all(['a', 'b', 'c', 'd'].map((name) => mergeKubeconfigFile(file, named(name))));
      await removeFromKubeconfigFile(file, 'b');
      const { clusters } = parse(await readFile(file, 'utf8')) as Config;
      assert.deepEqual(clusters.map(({ name }) => name).sort(), ['a', 'c', 'd']);
      assert.equal((await stat(file)).mode & 0o777, 0o600);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
