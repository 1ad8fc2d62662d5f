import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Node } from '../../../kube/core.ts';
import type { ContainerSpec, PodManifest, PodManifestSpec } from '../pod.ts';
import { misfitOf } from './admission.ts';
import { requestsOf } from '../pod-resources.ts';

type Requests = Readonly<Record<string, string>>;

const container = (requests: Requests = {}, more: Partial<ContainerSpec> = {}): ContainerSpec => ({ name: 'c', image: 'i', resources: { requests }, ...more });
const pod = (spec: Partial<PodManifestSpec> = {}): PodManifest => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'pod', namespace: 'default' }, spec: { containers: [container()], ...spec } });
const wanting = (requests: Requests): PodManifest => pod({ containers: [container(requests)] });

function node({ labels = {}, taints = [], pressed = [] }: { readonly labels?: Requests; readonly taints?: NonNullable<Node['spec']>['taints'] & object; readonly pressed?: readonly string[] } = {}): Node {
  return {
    apiVersion: 'v1', kind: 'Node', metadata: { name: 'shell.web', labels }, spec: { taints },
    status: { allocatable: { cpu: '2', memory: '1Gi', 'ephemeral-storage': '10Gi', pods: '3' }, conditions: pressed.map((type) => ({ type, status: 'True' as const })) },
  };
}

describe('what a pod needs of its node', () => {
  const needs = (spec: Partial<PodManifestSpec>) => Object.fromEntries(requestsOf(pod(spec)));
  const sidecar = (requests: Requests) => container(requests, { restartPolicy: 'Always' });

  it('is what its containers need together', () => assert.deepEqual(needs({ containers: [container({ cpu: '500m', memory: '1Mi' }), container({ cpu: '1' })] }), { cpu: 1500, memory: 2 ** 20 }));
  it('is what the neediest init container needs, when that is more', () => assert.deepEqual(needs({ initContainers: [container({ cpu: '3' }), container({ cpu: '1' })], containers: [container({ cpu: '2' })] }), { cpu: 3000 }));
  it('has sidecars that run beside what comes after them, and not beside what came before', () => {
    assert.deepEqual(needs({ initContainers: [sidecar({ cpu: '1' }), container({ cpu: '3' })], containers: [container({ cpu: '2' })] }), { cpu: 4000 });
    assert.deepEqual(needs({ initContainers: [container({ cpu: '3' }), sidecar({ cpu: '1' })], containers: [container({ cpu: '1' })] }), { cpu: 3000 });
    assert.deepEqual(needs({ initContainers: [sidecar({ cpu: '1' })], containers: [container({ cpu: '2' })] }), { cpu: 3000 });
  });
  it('has an overhead above all that', () => assert.deepEqual(needs({ initContainers: [container({ cpu: '3' })], overhead: { cpu: '100m', memory: '1Ki' } }), { cpu: 3100, memory: 1024 }));
});

describe('a pod that somebody bound to a node', () => {
  const reasonOf = (bound: PodManifest, on = node(), others: readonly PodManifest[] = []) => misfitOf(bound, on, others)?.reason;

  it('fits where there is room for it', () => {
    assert.equal(reasonOf(wanting({ cpu: '2', memory: '1Gi' })), undefined);
    assert.equal(reasonOf(wanting({ cpu: '1' }), node(), [wanting({ cpu: '1' }), wanting({ memory: '1Gi' })]), undefined);
  });

  it('says what there is too little of, and how much of it', () => {
    assert.deepEqual(misfitOf(wanting({ cpu: '1500m' }), node(), [wanting({ cpu: '600m' })]), { reason: 'OutOfcpu', message: "Node didn't have enough resource: cpu, requested: 1500, used: 600, capacity: 2000" });
    assert.equal(reasonOf(wanting({ memory: '2Gi' })), 'OutOfmemory');
    assert.equal(reasonOf(wanting({ 'ephemeral-storage': '11Gi' })), 'OutOfephemeral-storage');
    assert.equal(reasonOf(pod(), node(), [pod(), pod(), pod()]), 'OutOfpods');
  });

  it('is not asked for what it does not want, nor for what no kubelet counts', () => {
    assert.equal(reasonOf(pod(), node(), [wanting({ cpu: '5' })]), undefined);
    assert.equal(reasonOf(wanting({ 'example.com/dongle': '1' })), undefined);
  });

  it('wants the node that it selects', () => {
    assert.equal(reasonOf(pod({ nodeSelector: { tier: 'web' } }), node({ labels: { tier: 'web' } })), undefined);
    assert.deepEqual(misfitOf(pod({ nodeSelector: { tier: 'web' } }), node(), []), { reason: 'NodeAffinity', message: "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector" });
  });

  for (const [operator, values, fits, doesNot] of [
    ['In', ['3', '4'], '3', '5'], ['NotIn', ['3'], '4', '3'], ['Exists', undefined, '3', undefined], ['DoesNotExist', undefined, undefined, '3'], ['Gt', ['3'], '4', '3'], ['Lt', ['3'], '2', '3'],
  ] as const) {
    it(`knows the operator ${operator}`, () => {
      const choosy = pod({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'size', operator, ...(values === undefined ? {} : { values }) }] }] } } } });
      const sized = (size: string | undefined) => node({ labels: size === undefined ? {} : { size } });
      assert.deepEqual([reasonOf(choosy, sized(fits)), reasonOf(choosy, sized(doesNot))], [undefined, 'NodeAffinity']);
    });
  }

  it('is content with one of the terms of its affinity, all of which must be met and none empty', () => {
    const of = (...nodeSelectorTerms: readonly object[]) => pod({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } });
    const here = { key: 'metadata.name', operator: 'In', values: ['shell.web'] };
    const web = { key: 'tier', operator: 'In', values: ['web'] };
    assert.equal(reasonOf(of({ matchFields: [here] })), undefined);
    assert.equal(reasonOf(of({ matchFields: [here], matchExpressions: [web] })), 'NodeAffinity');
    assert.equal(reasonOf(of({ matchExpressions: [web] }, { matchFields: [here] })), undefined);
    assert.equal(reasonOf(of({})), 'NodeAffinity');
  });

  it('tolerates what would drive it out; what only keeps others from being scheduled is nothing to it', () => {
    const gone = node({ taints: [{ key: 'example.com/gone', value: 'yes', effect: 'NoExecute' }, { key: 'yadokari.dev/virtual-node', effect: 'NoSchedule' }] });
    assert.equal(reasonOf(pod(), gone), 'TaintToleration');
    for (const toleration of [{ operator: 'Exists' }, { key: 'example.com/gone', operator: 'Exists' }, { key: 'example.com/gone', value: 'yes' }, { key: 'example.com/gone', value: 'yes', effect: 'NoExecute' }]) {
      assert.equal(reasonOf(pod({ tolerations: [toleration] }), gone), undefined, JSON.stringify(toleration));
    }
    for (const toleration of [{ key: 'example.com/gone', value: 'no' }, { operator: 'Exists', effect: 'NoSchedule' }, { key: 'other', operator: 'Exists' }]) {
      assert.equal(reasonOf(pod({ tolerations: [toleration] }), gone), 'TaintToleration', JSON.stringify(toleration));
    }
  });

  it('does not come to a node that is short of something, unless it is worth it', () => {
    const short = node({ pressed: ['MemoryPressure'] });
    assert.deepEqual(misfitOf(pod(), short, []), { reason: 'Evicted', message: 'The node had condition: [MemoryPressure]. ' });
    assert.equal(reasonOf(wanting({ memory: '1Mi' }), short), undefined);
    assert.equal(reasonOf(pod({ tolerations: [{ key: 'node.kubernetes.io/memory-pressure', operator: 'Exists' }] }), short), undefined);
    assert.equal(reasonOf(pod({ priority: 2_000_000_000 }), node({ pressed: ['DiskPressure'] })), undefined);
    assert.equal(reasonOf(wanting({ memory: '1Mi' }), node({ pressed: ['DiskPressure', 'MemoryPressure'] })), 'Evicted');
  });
});
