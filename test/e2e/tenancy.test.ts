import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CommandError, run } from '../../src/base/process.ts';
import { pods } from '../../src/kube/core.ts';
import { yadoPods } from '../../src/kube/yadokari.ts';
import { object, startTestCluster, tinyImage, tinyMachine, type TestCluster } from '../env/cluster.ts';

const [OURS, THEIRS] = ['tenant-a', 'tenant-b'];
const SECRET = 'the-crown-jewels';

interface Attempt {
  readonly what: string;
  readonly yaml: string;
  /** What the API server answers. */
  readonly says: RegExp;
}

const pod = (name: string, spec: Readonly<Record<string, unknown>>): string => object('Pod', name, { containers: [{ name: 'c', image: 'localhost/yadokari/hello:1' }], ...spec });
const corePod = (name: string, metadata: Readonly<Record<string, unknown>>): string =>
  `---\n${JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name, ...metadata }, spec: { securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } }, containers: [{ name: 'c', image: 'localhost/yadokari/hello:1', securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } }] } })}\n`;

/** What the edit role of a namespace must not be enough for, refused when it is applied. */
const atTheDoor: readonly Attempt[] = [
  { what: 'an anchor of its own making', yaml: corePod('fake', { labels: { 'yadokari.dev/virtual-machine': 'web' } }), says: /only the Yadokari operator makes anchors/ },
  { what: 'a compiled guest in an annotation', yaml: corePod('fake', { annotations: { 'yadokari.dev/guest': '{"name":"x"}' } }), says: /only the Yadokari operator makes anchors/ },
  { what: 'domain XML', yaml: tinyMachine('xml', { domainXml: '<qemu:commandline/>' }), says: /unknown field "spec.domainXml"/ },
  { what: 'a device of the host', yaml: tinyMachine('device', { devices: { hostDevices: [{ name: 'gpu' }] } }), says: /unknown field "spec.devices"/ },
  { what: 'a disk from a path of the host', yaml: tinyMachine('path', { disks: [{ name: 'root', hostPath: '/etc/shadow' }] }), says: /unknown field "spec.disks\[0\].hostPath"/ },
  { what: 'an image of another namespace', yaml: tinyMachine('image', { kernelBoot: { image: `${THEIRS}/tiny` } }), says: /spec.kernelBoot.image/ },
  { what: 'a Secret of another namespace', yaml: tinyMachine('secret', { cloudInit: { userDataSecret: { name: `${THEIRS}/jewels` } } }), says: /spec.cloudInit.userDataSecret.name/ },
  { what: 'a namespace field beside a Secret', yaml: tinyMachine('secret', { cloudInit: { userDataSecret: { name: 'jewels', namespace: THEIRS } } }), says: /unknown field "spec.cloudInit.userDataSecret.namespace"/ },
  { what: 'XML in a CPU model', yaml: tinyMachine('model', { cpuTopology: { model: "x'/><evil" } }), says: /spec.cpuTopology.model/ },
  { what: 'a path in the name of a kernel', yaml: tinyMachine('kernel', { kernelBoot: { image: 'tiny', kernel: '../../../../etc/passwd' } }), says: /spec.kernelBoot.kernel/ },
];

/** What Pod Security refuses of the core pods that our Pods become. */
const insecure: readonly Attempt[] = [
  { what: "the host's network", yaml: pod('net', { hostNetwork: true }), says: /violates PodSecurity "restricted:latest": .*host namespaces \(hostNetwork=true\)/ },
  { what: "the host's processes", yaml: pod('pid', { hostPID: true }), says: /violates PodSecurity .*hostPID=true/ },
  { what: "the host's files", yaml: pod('path', { volumes: [{ name: 'v', hostPath: { path: '/' } }] }), says: /violates PodSecurity .*hostPath|violates PodSecurity .*restricted volume types/ },
  { what: 'a privileged container', yaml: pod('privileged', { containers: [{ name: 'c', image: 'localhost/yadokari/hello:1', securityContext: { privileged: true } }] }), says: /violates PodSecurity .*privileged/ },
];

describe('a tenant with the edit role in a namespace', { timeout: 300_000 }, () => {
  let cluster: TestCluster;
  const as = (...args: readonly string[]) => ['--kubeconfig', cluster.status.kubeconfig, '--as', 'alice', '--as-group', 'system:authenticated', ...args];
  const tenant = (input: string, ...args: readonly string[]) => run(cluster.kubectlPath, as('-n', OURS, ...args), { input });
  const refusal = async (call: Promise<string>): Promise<string> => {
    const answer = await call.then((text) => ({ text, ok: true }), (error: unknown) => {
      if (error instanceof CommandError) return { text: error.stderr, ok: false };
      throw error;
    });
    assert.equal(answer.ok, false, `this was accepted: ${answer.text}`);
    return answer.text;
  };

  before(async () => {
    cluster = await startTestCluster({ name: 'tenancy' });
    for (const namespace of [OURS, THEIRS]) await cluster.namespace(namespace);
    await cluster.kubectl('label', 'namespace', OURS, 'pod-security.kubernetes.io/enforce=restricted');
    await cluster.kubectl('-n', OURS, 'create', 'rolebinding', 'alice', '--clusterrole=edit', '--user=alice');
    await cluster.kubectl('-n', THEIRS, 'create', 'secret', 'generic', 'jewels', `--from-literal=userdata=${SECRET}`);
    await cluster.kubectl('-n', OURS, 'create', 'quota', 'all', '--hard=requests.memory=1Gi,limits.memory=1Gi,pods=10');
    await cluster.apply(THEIRS, tinyImage);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  it('runs a machine under Pod Security restricted, charged once to the quota', async () => {
    await tenant(tinyImage + tinyMachine('web'), 'apply', '-f', '-');
    const { status } = await cluster.vmThat(OURS, 'web', 'is running', (vm) => vm.status?.printableStatus === 'Running', 60_000);
    const anchor = await cluster.client.get(pods, { namespace: OURS, name: status?.anchor ?? '' });
    const used = JSON.parse(await cluster.kubectl('-n', OURS, 'get', 'quota', 'all', '-o', 'jsonpath={.status.used}')) as Readonly<Record<string, string>>;
    const [container] = anchor.spec.containers as unknown as readonly [{ readonly resources: { readonly requests: { readonly memory: string } } }];
    assert.deepEqual([used['requests.memory'], used['limits.memory'], used['pods']], [container.resources.requests.memory, container.resources.requests.memory, '1']);
    await cluster.kubectl('-n', OURS, 'delete', 'quota', 'all');
  });

  it('sees its machine, and nothing of others', async () => {
    assert.match(await tenant('', 'get', 'vm,ypod,vmimage'), /web/);
    assert.match(await refusal(run(cluster.kubectlPath, as('-n', THEIRS, 'get', 'vm'))), /forbidden/);
    assert.match(await refusal(tenant('', 'get', 'vm', '-A')), /forbidden/);
    assert.match(await refusal(tenant('{"status":{"guest":{}}}', 'patch', 'vm', 'web', '--subresource=status', '--type=merge', '-p', '{"status":{"address":"1.2.3.4"}}')), /forbidden/);
  });

  for (const { what, yaml, says } of atTheDoor) {
    it(`is refused ${what}`, async () => {
      assert.match(await refusal(tenant(yaml, 'create', '-f', '-')), says);
    });
  }

  it('cannot turn a pod of its own into an anchor, nor another guest into its anchor', async () => {
    await tenant(corePod('plain', {}), 'create', '-f', '-');
    assert.match(await refusal(tenant('', 'annotate', 'pod', 'plain', 'yadokari.dev/guest={}')), /only the Yadokari operator makes anchors/);
    const anchor = (await cluster.vm(OURS, 'web')).status?.anchor ?? '';
    assert.match(await refusal(tenant('', 'annotate', '--overwrite', 'pod', anchor, 'yadokari.dev/guest={}')), /only the Yadokari operator makes anchors/);
    await tenant('', 'delete', 'pod', 'plain', '--grace-period=1');
  });

  it('gets no other compiled guest by an annotation of its machine', async () => {
    const evil = tinyMachine('evil').replace('"metadata":{', `"metadata":{"annotations":{"yadokari.dev/guest":${JSON.stringify('{"name":"evil","disks":[{"path":"/etc/shadow"}]}')}},`);
    await tenant(evil, 'create', '-f', '-');
    const { status } = await cluster.vmThat(OURS, 'evil', 'is running', (vm) => vm.status?.printableStatus === 'Running', 60_000);
    const anchor = await cluster.client.get(pods, { namespace: OURS, name: status?.anchor ?? '' });
    assert.doesNotMatch(anchor.metadata.annotations?.['yadokari.dev/guest'] ?? '', /shadow/);
    await tenant('', 'delete', 'vm', 'evil', '--timeout=60s');
  });

  it('finds no Secret of the same name in another namespace', async () => {
    await tenant(tinyMachine('thief', { cloudInit: { userDataSecret: { name: 'jewels' } } }), 'create', '-f', '-');
    const { status } = await cluster.vmThat(OURS, 'thief', 'has no Secret', (vm) => vm.status?.printableStatus === 'ErrorNotFound', 30_000);
    assert.doesNotMatch(JSON.stringify(status), new RegExp(SECRET));
    await tenant('', 'delete', 'vm', 'thief', '--timeout=60s');
  });

  for (const { what, yaml, says } of insecure) {
    it(`gets no pod with ${what}, and is told why`, async () => {
      await tenant(yaml, 'create', '-f', '-');
      const name = /"name":"([a-z]+)"/.exec(yaml)?.[1] ?? '';
      await cluster.eventually(`${name} says why`, async () => (await cluster.client.get(yadoPods, { name, namespace: OURS })).status?.conditions?.some(({ message }) => says.test(message ?? '')), 20_000, OURS);
      assert.equal(await tenant('', 'get', 'pods', '-l', `yadokari.dev/pod=${name}`, '-o', 'name'), '');
      await tenant('', 'delete', 'ypod', name, '--timeout=20s');
    });
  }

  it('a viewer sees and changes nothing', async () => {
    await cluster.kubectl('-n', OURS, 'create', 'rolebinding', 'bob', '--clusterrole=view', '--user=bob');
    const viewer = (...args: readonly string[]) => run(cluster.kubectlPath, ['--kubeconfig', cluster.status.kubeconfig, '--as', 'bob', '-n', OURS, ...args]);
    assert.match(await viewer('get', 'vm'), /web/);
    assert.match(await refusal(viewer('delete', 'vm', 'web')), /forbidden/);
  });
});
