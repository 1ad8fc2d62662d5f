import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CompiledGuest } from '../../api/compiled-guest.ts';
import { ANNOTATION_GUEST, API_VERSION, FINALIZER_GUEST } from '../../api/group.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import { overheadMiB } from '../../vm/overhead.ts';
import { anchorName, buildAnchor, isAnchorOf } from './anchor.ts';

const guest: CompiledGuest = {
  name: 'web', uid: 'u1', cpu: { sockets: 1, cores: 2, threads: 2 }, memoryMiB: 2048, boot: { kind: 'firmware', firmware: 'bios' }, disks: [], hostname: 'front',
};
const machine = (spec: Partial<VirtualMachine['spec']> = {}, status?: VirtualMachine['status']): VirtualMachine => ({
  apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: { name: 'web', namespace: 'shop', uid: 'u1', labels: { app: 'web' } }, spec: { memory: '2Gi', ...spec }, ...(status === undefined ? {} : { status }),
});
const build = (vm: VirtualMachine) => buildAnchor(vm, guest, 'web-abcde', { pauseImage: 'pause:1', network: 'native' });

describe("an anchor's name", () => {
  it('is the same for the same question, so that it is never made twice', () => {
    assert.equal(anchorName(machine(), 'web-1'), anchorName(machine(), 'web-1'));
    assert.match(anchorName(machine(), undefined), /^web-[a-z2-9]{5}$/);
  });

  it('differs from that of the run before, and from that of a machine of the same name before', () => {
    const first = anchorName(machine(), undefined);
    const again: VirtualMachine = { ...machine(), metadata: { ...machine().metadata, uid: 'u2' } };
    assert.equal(new Set([first, anchorName(machine(), first), anchorName(again, undefined)]).size, 3);
  });
});

describe('an anchor', () => {
  it('belongs to its machine and carries its labels and the compiled guest', () => {
    const pod = build(machine());
    assert.ok(isAnchorOf(pod, machine()));
    assert.deepEqual(pod.metadata.labels, { app: 'web', 'yadokari.dev/virtual-machine': 'web' });
    assert.deepEqual(pod.metadata.finalizers, [FINALIZER_GUEST]);
    assert.deepEqual(JSON.parse(pod.metadata.annotations?.[ANNOTATION_GUEST] ?? ''), guest);
    assert.equal(pod.spec['hostname'], 'front');
  });

  it('has the annotations of its machine that are meant for pods', () => {
    const vm = machine();
    const annotations = { 'kubernetes.io/ingress-bandwidth': '10M', 'yadokari.dev/guest': '{}', 'kubectl.kubernetes.io/last-applied-configuration': '{}', 'meta.helm.sh/release-name': 'web' };
    const pod = build({ ...vm, metadata: { ...vm.metadata, annotations } });
    assert.deepEqual(Object.keys(pod.metadata.annotations ?? {}).sort(), ['kubernetes.io/ingress-bandwidth', 'yadokari.dev/guest']);
    assert.deepEqual(JSON.parse(pod.metadata.annotations?.[ANNOTATION_GUEST] ?? ''), guest);
  });

  it('asks another CNI for the address and MAC address that its machine fixes', () => {
    const vm = machine({ network: { address: '10.1.2.3', macAddress: '02:00:00:00:00:50' } });
    const { annotations } = buildAnchor(vm, guest, 'web-abcde', { pauseImage: 'pause:1', network: 'spliced' }).metadata;
    assert.deepEqual([annotations?.['cni.projectcalico.org/ipAddrs'], annotations?.['cni.projectcalico.org/hwAddr']], ['["10.1.2.3"]', '02:00:00:00:00:50']);
    assert.equal(build(vm).metadata.annotations?.['cni.projectcalico.org/ipAddrs'], undefined);
  });

  it('asks the scheduler for what QEMU needs, and a tenth of its CPUs', () => {
    assert.deepEqual((build(machine()).spec.containers[0] as { resources?: unknown }).resources, { requests: { cpu: '400m', memory: `${2048 + 128}Mi` }, limits: { cpu: '4', memory: `${2048 + 128}Mi` } });
    assert.equal(overheadMiB(2048), 128);
  });

  it('outlives the grace period of its guest by half a minute', () => {
    assert.equal(build(machine({ terminationGracePeriodSeconds: 5 })).spec['terminationGracePeriodSeconds'], 35);
    assert.equal(build(machine()).spec['terminationGracePeriodSeconds'], 90);
  });

  it('stays with the disks of its machine, even when their node does not answer', () => {
    const { nodeSelector, tolerations } = build(machine({ nodeSelector: { zone: 'a' } }, { home: 'n2' })).spec;
    assert.deepEqual(nodeSelector, { zone: 'a', 'kubernetes.io/hostname': 'n2' });
    assert.deepEqual((tolerations as { key: string }[]).map(({ key }) => key), ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']);
  });

  it('may go anywhere and is evicted as any pod when nothing holds it', () => {
    const { nodeSelector, tolerations } = build(machine()).spec;
    assert.deepEqual([nodeSelector, tolerations], [{}, []]);
  });

  it("shows the guest's ports and is probed in its stead, each second unless told otherwise", () => {
    const [container] = build(machine({ network: { ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }, probes: { readiness: { httpGet: { port: 'http' } } } })).spec.containers;
    assert.deepEqual([container?.['ports'], container?.['readinessProbe']], [[{ name: 'http', containerPort: 80, protocol: 'TCP' }], { periodSeconds: 1, httpGet: { port: 'http' } }]);
  });

  it('leaves to the agent what the kubelet cannot ask', () => {
    const [container] = build(machine({ probes: { readiness: { guestAgent: {} }, liveness: { tcpSocket: { port: 22 } } } })).spec.containers;
    assert.deepEqual([container?.['readinessProbe'], container?.['livenessProbe']], [undefined, undefined]);
  });
});
