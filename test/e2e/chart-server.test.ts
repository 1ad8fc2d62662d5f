import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError, run } from '../../src/base/process.ts';
import { leases, nodes } from '../../src/kube/core.ts';
import { defineResource } from '../../src/kube/object.ts';
import { virtualMachines, yadoPods } from '../../src/kube/yadokari.ts';
import { ipPools } from '../../src/network/calico/kinds.ts';
import { startApiServer, type ApiServer } from '../env/api-server.ts';
import { chartCalls, type Call } from '../env/chart-calls.ts';
import { rulesOf } from '../env/chart-objects.ts';
import { chartVariants } from '../env/chart-variants.ts';
import { chartFolder, Helm, objectsOf, releaseNamespace, settings, type Values } from '../env/helm.ts';
import { snapshotDefinitions } from '../env/sidecar-images.ts';

const binDirectory = process.env['YADO_BIN'];
/** What goes where definitions stay. */
const KINDS = 'openstacktenants virtualmachines pods';
const native = [...chartVariants['native network'] ?? [], ...chartVariants['all kinds of volumes'] ?? [], ...chartVariants['projects of OpenStack'] ?? []];
const crds = defineResource('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', false);
const policies = defineResource('admissionregistration.k8s.io/v1', 'ValidatingAdmissionPolicy', 'validatingadmissionpolicies', false);

const json = (...objects: readonly object[]): string => objects.map((object) => JSON.stringify(object)).join('\n---\n');
const ours = (kind: string, name: string, namespace: string, spec: object, metadata: object = {}): object => ({ apiVersion: 'yadokari.dev/v1alpha1', kind, metadata: { name, namespace, ...metadata }, spec });
const machine = (name: string, namespace: string, metadata: object = {}): object => ours('VirtualMachine', name, namespace, { memory: '128Mi', kernelBoot: { image: 'tiny' } }, metadata);

/** Kinds of the Prometheus operator, of which any content is taken. */
const prometheusKinds = ['ServiceMonitor', 'PrometheusRule'].map((kind) => ({
  apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `${kind.toLowerCase()}s.monitoring.coreos.com` },
  spec: {
    group: 'monitoring.coreos.com', scope: 'Namespaced', names: { kind, plural: `${kind.toLowerCase()}s`, singular: kind.toLowerCase(), listKind: `${kind}List` },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } }],
  },
}));

describe('the chart on a real API server', { skip: binDirectory === undefined ? 'YADO_BIN names no folder with etcd and kube-apiserver' : false, timeout: 600_000 }, () => {
  let server: ApiServer;
  let helm: Helm;
  let folder: string;

  const kubectl = (args: readonly string[], input = ''): Promise<string> => run(join(binDirectory ?? '', 'kubectl'), ['--kubeconfig', server.kubeconfigPath, ...args], { input });
  // Without it Helm goes on with the values of the last time.
  const install = (values: Values): Promise<string> => helm.run('upgrade', '--install', '--reset-values', 'yadokari', chartFolder, ...settings(values));
  const hooks = async (name: string): Promise<readonly object[]> => objectsOf(await helm.run('get', 'hooks', 'yadokari')).filter(({ kind, metadata }) => metadata.name === name && !['Pod', 'Job'].includes(kind));

  /** Runs one of the chart's scripts with the token of a service account, as its pod would. */
  const script = async (name: string, account: string, environment: Readonly<Record<string, string>>): Promise<string> => {
    const token = await kubectl(['-n', releaseNamespace, 'create', 'token', account]);
    await writeFile(join(folder, 'token'), token, { mode: 0o600 });
    const { hostname, port } = new URL(await kubectl(['config', 'view', '--minify', '-o', 'jsonpath={.clusters[0].cluster.server}']));
    const env = { ...process.env, KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port, SERVICE_ACCOUNT_FOLDER: folder, NODE_TLS_REJECT_UNAUTHORIZED: '0', ...environment };
    return run(process.execPath, [join(chartFolder, 'files/scripts', name)], { env });
  };
  /** Writes the objects of a ConfigMap into a file, as a volume would. */
  const objectsFile = async (configMap: string): Promise<string> => {
    const path = join(folder, 'objects.json');
    await writeFile(path, await kubectl(['-n', releaseNamespace, 'get', 'configmap', configMap, '-o', 'jsonpath={.data.objects\\.json}']));
    return path;
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-chart-'));
    server = await startApiServer({ binDirectory: binDirectory ?? '' });
    helm = (await Helm.ready()).with(server.kubeconfigPath);
    await server.create(json(...prometheusKinds, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: releaseNamespace } }));
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  for (const [variant, values] of Object.entries(chartVariants)) {
    it(`has nothing that the server would refuse: ${variant}`, async () => {
      const objects = objectsOf(await helm.template(values));
      const said = await kubectl(['apply', '--server-side', '--dry-run=server', '-f', '-'], json(...objects));
      assert.equal(said.trim().split('\n').length, objects.length);
    });
  }

  it('installs, and tells what to type next', async () => {
    const said = await install([]);
    assert.match(said, /STATUS: deployed/);
    assert.match(said, /helm test yadokari -n yadokari-system/);
    await kubectl(['wait', '--for=condition=established', '--timeout=20s', 'crd', '-l', 'app.kubernetes.io/instance=yadokari']);
  });

  it('is upgraded to a native network, whose objects follow their definitions', async () => {
    // The controller of snapshots comes to clusters that know what snapshots are.
    for (const name of ['volumesnapshotclasses', 'volumesnapshotcontents', 'volumesnapshots']) await kubectl(['apply', '-f', join(await snapshotDefinitions(), `snapshot.storage.k8s.io_${name}.yaml`)]);
    await install(native);
    const [job = ''] = /yadokari-network-\w+/.exec(await kubectl(['-n', releaseNamespace, 'get', 'jobs', '-o', 'name'])) ?? [];
    assert.match(await script('apply.mjs', 'yadokari-network', { OBJECTS: await objectsFile(job) }), /BGPPeer rack is as it should be/);
    assert.equal((await server.client.get(ipPools, { name: 'default-ipv4-ippool' })).spec.cidr, '10.244.0.0/16');
  });

  it('gives exactly the rights that operator, agent and drivers of volumes use', async () => {
    const objects = objectsOf(await helm.template(native));
    const given = objects.flatMap(rulesOf).filter(({ role }) => /yadokari-(operator|agent|csi)/.test(role)).flatMap(({ role, apiGroups = [], resources = [], verbs }) =>
      apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${/operator|agent|csi-node|csi/.exec(role)?.[0]} ${verb} ${group}/${resource}`))));
    const used = chartCalls.flatMap(({ who, verbs, resources }) => resources.flatMap((resource) => verbs.map((verb) => `${who} ${verb} ${resource}`)));
    assert.deepEqual([...new Set(given)].sort(), [...new Set(used)].sort());
  });

  /** Empty when the API server lets it, else what it does not. */
  const refusal = async ({ who }: Call, verb: string, path: string): Promise<string> => {
    const [group = '', resource = '', subresource = ''] = path.split('/');
    const name = resource === 'leases' && verb !== 'create' ? { name: 'yadokari-operator' } : resource === 'signers' ? { name: 'kubernetes.io/kubelet-serving' } : {};
    const spec = { user: `system:serviceaccount:${releaseNamespace}:yadokari-${who}`, resourceAttributes: { group, resource, subresource, verb, namespace: releaseNamespace, ...name } };
    const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', metadata: {}, spec };
    const answer = await server.client.raw({ method: 'POST', path: '/apis/authorization.k8s.io/v1/subjectaccessreviews', body: JSON.stringify(review) });
    return (JSON.parse(answer) as { status: { allowed: boolean } }).status.allowed ? '' : `${who} may not ${verb} ${path}`;
  };

  for (const call of chartCalls) {
    it(`lets the ${call.who} ${call.why}`, async () => {
      const answers = await Promise.all(call.resources.flatMap((resource) => call.verbs.map((verb) => refusal(call, verb, resource))));
      assert.deepEqual(answers.filter((answer) => answer !== ''), []);
    });
  }

  it('lets nobody but the operator make an anchor, and an agent change only what belongs to its node', async () => {
    const anchor = (name: string) => json({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default', labels: { 'yadokari.dev/virtual-machine': name }, annotations: { 'yadokari.dev/guest': '{}' } }, spec: { nodeName: 'n1', containers: [{ name: 'guest', image: 'localhost/none:1' }] } });
    const account = (name: string) => ['--as', `system:serviceaccount:${releaseNamespace}:${name}`];
    const annotate = (object: readonly string[], who: readonly string[]) => kubectl(['-n', 'default', 'annotate', '--overwrite', ...object, 'a=b', ...who]);
    /** As the agent's token says it, which names the node that it was given on. */
    const agentOn = async (node: string): Promise<readonly string[]> => {
      const config = JSON.parse(await readFile(server.kubeconfigPath, 'utf8')) as { users: readonly { user: object }[] };
      const user = { ...config.users[0]?.user, as: account('yadokari-agent')[1], 'as-user-extra': { 'authentication.kubernetes.io/node-name': [node] } };
      await writeFile(join(folder, node), JSON.stringify({ ...config, users: [{ name: 'admin', user }] }), { mode: 0o600 });
      return ['--kubeconfig', join(folder, node)];
    };
    await server.client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
    await eventuallyRefused(() => kubectl(['create', '-f', '-'], anchor('forged')), /only the Yadokari operator makes anchors/);
    await kubectl(['create', '-f', '-', ...account('yadokari-operator')], anchor('real'));
    for (const object of [['pod', 'real'], ['node', 'n1']]) {
      await eventuallyRefused(async () => annotate(object, await agentOn('n2')), /the agent of node "n2" may not change what belongs to node "n1"/);
      await eventuallyRefused(() => annotate(object, account('yadokari-agent')), /the agent of node "" may not change/);
      await annotate(object, await agentOn('n1'));
    }
    await kubectl(['-n', 'default', 'delete', 'pod', 'real', '--force', ...account('yadokari-operator')]);
  });

  it('tests itself with rights of its own, and says what is missing', async () => {
    await kubectl(['create', '-f', '-'], json(...await hooks('yadokari-test')));
    // Nobody runs what it makes here.
    const environment = { NAMESPACE: releaseNamespace, OBJECTS: await objectsFile('yadokari-test'), TIMEOUT_SECONDS: '2' };
    await assert.rejects(script('smoke-test.mjs', 'yadokari-test', environment), (error: unknown) => error instanceof CommandError && /(VirtualMachine|Pod) yadokari-hello to become Ready took too long/.test(error.stderr));
    assert.deepEqual((await server.client.listAll(virtualMachines)).items, []);
  });

  it('removes machines before it goes, when asked to', async () => {
    await install([...native, 'uninstall.virtualMachines=remove']);
    await kubectl(['create', '-f', '-'], json(...await hooks('yadokari-uninstall')));
    const pod = (namespace: string): object => ours('Pod', 'two', namespace, { containers: [{ name: 'main', image: 'localhost/none:1' }] });
    await kubectl(['create', '-f', '-'], json(...['default', releaseNamespace].flatMap((namespace) => [machine('one', namespace), pod(namespace), ours('OpenStackTenant', 'shop', namespace, { cloud: { secret: 'clouds' } })])));
    assert.match(await script('remove.mjs', 'yadokari-uninstall', { TIMEOUT_SECONDS: '20', KINDS }), /waiting for openstacktenants default\/shop.*virtualmachines default\/one.*nothing is left/s);
    assert.deepEqual([...(await server.client.listAll(virtualMachines)).items, ...(await server.client.listAll(yadoPods)).items], []);
  });

  it('removes where volumes are kept too before their kind goes', async () => {
    await install([...native, 'uninstall.virtualMachines=remove', 'crds.keep=false']);
    await kubectl(['apply', '-f', '-'], json(...await hooks('yadokari-uninstall')));
    await kubectl(['create', '-f', '-'], json({ apiVersion: 'yadokari.dev/v1alpha1', kind: 'StorageBackend', metadata: { name: 'local' }, spec: { local: {} } }));
    assert.match(await script('remove.mjs', 'yadokari-uninstall', { TIMEOUT_SECONDS: '20', KINDS: `openstackmigrations ${KINDS} storagebackends` }), /waiting for storagebackends local.*nothing is left/s);
  });

  it('says that a machine does not go', async () => {
    await kubectl(['create', '-f', '-'], json(machine('held', 'default', { finalizers: ['yadokari.dev/cleanup'] })));
    await assert.rejects(script('remove.mjs', 'yadokari-uninstall', { TIMEOUT_SECONDS: '1', KINDS }), (error: unknown) => error instanceof CommandError && /removing what is to go took too long/.test(error.stderr));
    await kubectl(['-n', 'default', 'patch', 'vm', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
  });

  it('leaves definitions, machines and the guard of anchors behind when it is uninstalled, and takes them over again', async () => {
    await install([]);
    await kubectl(['create', '-f', '-'], json(machine('kept', 'default')));
    await helm.run('uninstall', 'yadokari', '--no-hooks');
    assert.ok((await server.client.listAll(crds)).items.filter(({ metadata }) => metadata.name.endsWith('.yadokari.dev')).length >= 4);
    assert.ok((await server.client.listAll(policies)).items.some(({ metadata }) => metadata.name === 'anchors.yadokari.dev'));
    assert.deepEqual((await server.client.listAll(leases, { namespace: releaseNamespace })).items, []);
    assert.match(await install([]), /STATUS: deployed/);
    assert.equal((await server.client.get(virtualMachines, { namespace: 'default', name: 'kept' })).metadata.name, 'kept');
  });

  it('takes everything along when asked to', async () => {
    await install(['crds.keep=false', 'uninstall.virtualMachines=remove']);
    // As the operator does. The server makes a kind's storage when it is first asked for: a definition that is deleted before that
    // may find it not ready, and is looked at again only when the server goes over all definitions, minutes later.
    await kubectl(['get', '-A', 'virtualmachines.yadokari.dev,pods.yadokari.dev,virtualmachineimages.yadokari.dev,instancetypes.yadokari.dev']);
    await helm.run('uninstall', 'yadokari', '--no-hooks');
    const kindsOfOurs = 'crd,clusterrole,clusterrolebinding,role,rolebinding,serviceaccount,validatingadmissionpolicy,validatingadmissionpolicybinding,deployment,daemonset,service,configmap,networkpolicy,pdb';
    // Calico's definitions were kept when the network was native; the hooks' objects are Helm's to remove.
    const left = async () => (await kubectl(['get', kindsOfOurs, '-A', '-l', 'app.kubernetes.io/part-of=yadokari', '-o', 'name'])).split('\n').filter((name) => name !== '' && !/projectcalico|yadokari-(test|uninstall)$/.test(name));
    for (const until = Date.now() + 60_000; Date.now() < until && (await left()).length > 0;) await delay(500);
    assert.deepEqual(await left(), [], await kubectl(['get', 'crd', '-o', 'jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Terminating")]}{"\\n"}{end}']));
  });
});

/** A policy takes a moment until it is enforced. */
async function eventuallyRefused(work: () => Promise<unknown>, says: RegExp): Promise<void> {
  let last = '';
  for (const until = Date.now() + 15_000; Date.now() < until; await delay(200)) {
    last = await work().then(() => 'it was accepted', (error: unknown) => (error instanceof CommandError ? error.stderr : String(error)));
    if (says.test(last)) return;
  }
  throw new Error(`expected ${String(says)}, but ${last}`);
}
