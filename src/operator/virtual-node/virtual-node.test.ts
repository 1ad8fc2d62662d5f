import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { API_VERSION } from '../../api/group.ts';
import { ManualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { createCertificateRequest, type RequestedSubject } from '../../kube/certificate-request.ts';
import { KubeClient } from '../../kube/client.ts';
import { certificateSigningRequests, nodes, type CertificateSigningRequest, type Node } from '../../kube/core.ts';
import { EventRecorder } from '../../kube/event-recorder.ts';
import { FakeApi } from '../../kube/fake-api.ts';
import { Informer } from '../../kube/informer.ts';
import { virtualMachines, type VirtualMachine } from '../../kube/yadokari.ts';
import { NodeCertificatesReconciler } from './certificates.ts';
import { VirtualNodeReconciler } from './controller.ts';
import { virtualNodeName } from './name.ts';

const signal = AbortSignal.timeout(20_000);
const NOW = '2026-01-01T12:00:00Z';
const CLIENT = 'kubernetes.io/kube-apiserver-client-kubelet';
const SERVING = 'kubernetes.io/kubelet-serving';

const machine = (change: Partial<VirtualMachine['spec']> = {}, labels = {}): VirtualMachine => ({
  apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: { name: 'web', namespace: 'shop', uid: 'u1', labels }, spec: { memory: '1Gi', containerHost: {}, ...change }, status: { node: 'n1' },
});
const host: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'z1' } }, status: { addresses: [{ type: 'InternalIP', address: '10.0.0.11' }] } };

async function given(vms: readonly VirtualMachine[], known: readonly Node[], requests: readonly CertificateSigningRequest[] = []) {
  const api = new FakeApi();
  for (const vm of vms) api.put('/apis/yadokari.dev/v1alpha1/virtualmachines', vm);
  for (const node of known) api.put('/api/v1/nodes', node);
  for (const request of requests) api.put('/apis/certificates.k8s.io/v1/certificatesigningrequests', request);
  const client = new KubeClient(api);
  const clock = new ManualClock(Date.parse(NOW));
  const informers = {
    vms: new Informer(client, virtualMachines, { indexers: { virtualNode: (vm) => [virtualNodeName(vm)] } }),
    nodes: new Informer(client, nodes),
    requests: new Informer(client, certificateSigningRequests),
  };
  const all = Object.values(informers);
  for (const informer of all) informer.start();
  await Promise.all(all.map((informer) => informer.waitForSync(signal)));
  const events = new EventRecorder({ client, controller: 'test', instance: 'test', log: silentLog, clock });
  const context = { client, clock, events, log: silentLog, hasPodNetwork: true, namespace: 'yadokari-system', ...informers };
  return {
    api,
    node: (name: string) => api.objects.get(`/api/v1/nodes/${name}`) as unknown as Node | undefined,
    reconcile: () => new VirtualNodeReconciler(context).reconcile('shop/web', signal),
    decide: async (name: string) => new NodeCertificatesReconciler(context).reconcile(name, signal),
    approved: () => api.requests.some((request) => request.startsWith('PATCH') && request.includes('/approval')),
    [Symbol.asyncDispose]: async () => void (await Promise.all(all.map((informer) => informer[Symbol.asyncDispose]()))),
  };
}

describe('the Node of a machine', () => {
  it('is made with the labels by which the scheduler finds it, and keeps other pods away', async () => {
    await using world = await given([machine({}, { app: 'web', 'team.example/name': 'blue' })], [host]);
    await world.reconcile();
    const node = world.node('web.shop');
    assert.deepEqual(node?.metadata.labels, {
      'label.yadokari.dev/app': 'web',
      'label.yadokari.dev/team.example_name': 'blue',
      'topology.kubernetes.io/zone': 'z1',
      'kubernetes.io/hostname': 'web.shop',
      'kubernetes.io/arch': 'amd64',
      'yadokari.dev/virtual-machine': 'web',
      'yadokari.dev/namespace': 'shop',
      'yadokari.dev/host': 'n1',
    });
    assert.deepEqual(node?.spec?.taints, [{ key: 'yadokari.dev/virtual-node', effect: 'NoSchedule' }]);
  });

  it('is left as it is when nothing is new', async () => {
    await using first = await given([machine()], [host]);
    await first.reconcile();
    await using world = await given([machine()], [host, first.node('web.shop') as Node]);
    await world.reconcile();
    assert.deepEqual(world.api.requests.filter((request) => !request.startsWith('GET')), []);
  });

  it('goes with the machine, and when the machine is a node no more', async () => {
    const own: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'web.shop', uid: 'n', labels: { 'yadokari.dev/virtual-machine': 'web', 'yadokari.dev/namespace': 'shop' } } };
    const plain = machine();
    const { containerHost: _none, ...spec } = plain.spec;
    for (const vms of [[], [{ ...plain, spec } as VirtualMachine]]) {
      await using world = await given(vms, [host, own]);
      await world.reconcile();
      assert.equal(world.node('web.shop'), undefined);
      assert.ok(world.node('n1'));
    }
  });

  it('is never taken from somebody else who has the name', async () => {
    const other: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'web.shop', uid: 'n' } };
    await using world = await given([machine()], [host, other]);
    await world.reconcile();
    assert.deepEqual(world.node('web.shop')?.metadata.labels, undefined);
    await using gone = await given([], [host, other]);
    await gone.reconcile();
    assert.ok(gone.node('web.shop'));
  });
});

const own = { commonName: 'system:node:web.shop', organizations: ['system:nodes'], names: [], addresses: [] };
const agent = { username: 'yadokari:agent:n1', groups: ['yadokari:agents', 'system:authenticated'] };
const account = (node: string) => ({ username: 'system:serviceaccount:yadokari-system:yadokari-agent', groups: ['system:serviceaccounts'], extra: { 'authentication.kubernetes.io/node-name': [node] } });
const server: RequestedSubject = { ...own, addresses: ['10.0.0.11'] };

async function asked(subject: RequestedSubject, spec: Partial<CertificateSigningRequest['spec']>): Promise<CertificateSigningRequest> {
  const { request } = await createCertificateRequest(subject);
  const usages = spec.signerName === SERVING ? ['digital signature', 'server auth'] : ['digital signature', 'client auth'];
  return { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name: 'r', creationTimestamp: NOW }, spec: { request: Buffer.from(request).toString('base64'), signerName: CLIENT, usages, ...spec } };
}

describe('a certificate for the Node of a machine', () => {
  const cases: readonly (readonly [string, boolean, RequestedSubject, Partial<CertificateSigningRequest['spec']>])[] = [
    ['its identity, asked for by the agent of its host', true, own, agent],
    ['its identity, asked for by a service account on its host', true, own, account('n1')],
    ['its server, asked for by itself', true, server, { signerName: SERVING, username: own.commonName, groups: ['system:nodes'] }],
    ['its identity, asked for by the agent of another node', false, own, { ...agent, username: 'yadokari:agent:n2' }],
    ['its identity, asked for by a service account on another node', false, own, account('n2')],
    ['its identity, asked for by somebody who only has the name of an agent', false, own, { ...agent, groups: ['system:authenticated'] }],
    ['its identity, asked for by a service account of that name elsewhere', false, own, { ...account('n1'), username: 'system:serviceaccount:shop:yadokari-agent' }],
    ['its identity, asked for by another service account', false, own, { ...account('n1'), username: 'system:serviceaccount:shop:web' }],
    ['the identity of a host', false, { ...own, commonName: 'system:node:n1' }, agent],
    ['an identity with more groups', false, { ...own, organizations: ['system:nodes', 'system:masters'] }, agent],
    ['an identity that is a server too', false, own, { ...agent, usages: ['client auth', 'server auth'] }],
    ['another signer', false, own, { ...agent, signerName: 'kubernetes.io/kube-apiserver-client' }],
    ['a server at an address that is not its host\'s', false, { ...own, addresses: ['10.0.0.12'] }, { signerName: SERVING, username: own.commonName }],
    ['a server with a name', false, { ...server, names: ['kubernetes'] }, { signerName: SERVING, username: own.commonName }],
    ['its server, asked for by another node', false, server, { signerName: SERVING, username: 'system:node:other.shop' }],
  ];
  for (const [what, isDue, subject, spec] of cases) {
    it(`is ${isDue ? '' : 'not '}approved: ${what}`, async () => {
      await using world = await given([machine()], [host], [await asked(subject, spec)]);
      await world.decide('r');
      assert.equal(world.approved(), isDue);
    });
  }
});
