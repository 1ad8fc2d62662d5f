import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CriImage } from '../cri.ts';
import { containerConfigOf } from './container-config.ts';
import { examplePod, exampleSpec } from './examples.ts';
import { restoredPod } from './labels.ts';
import { cgroupParentOf, linuxResources, oomScoreAdj, type ResourceSettings } from './linux-resources.ts';
import type { ContainerSpec, PodManifestSpec } from './pod.ts';
import { qosClassOf } from './qos.ts';
import { sandboxConfigOf } from './sandbox-config.ts';
import { containerSecurity } from './security.ts';

const image: CriImage = { id: 'sha256:1', repoTags: [], repoDigests: [], sizeBytes: 1n };
const GiB = 2 ** 30;
const of = (requests: Record<string, string>, limits: Record<string, string> = {}): Partial<ContainerSpec> => ({ resources: { requests, limits } });
const podOf = (more: Partial<ContainerSpec>, spec: Partial<PodManifestSpec> = {}): ReturnType<typeof examplePod> => examplePod({ containers: [exampleSpec('main', more)], ...spec });

describe('quality of service', () => {
  const full = { cpu: '1', memory: '1Gi' };
  const cases: readonly (readonly [title: string, more: Partial<ContainerSpec>, qos: string, parent: string])[] = [
    ['nothing is asked for', {}, 'BestEffort', '/kubepods/besteffort/poduid'],
    ['something is asked for', of({ cpu: '100m' }), 'Burstable', '/kubepods/burstable/poduid'],
    ['limits are higher than requests', of({ cpu: '500m', memory: '1Gi' }, full), 'Burstable', '/kubepods/burstable/poduid'],
    ['limits are the requests, in other words', of({ cpu: '1000m', memory: '1024Mi' }, full), 'Guaranteed', '/kubepods/poduid'],
    ['zero is nothing', of({ cpu: '0' }), 'BestEffort', '/kubepods/besteffort/poduid'],
  ];
  for (const [title, more, qos, parent] of cases) {
    it(`is ${qos} when ${title}`, () => assert.deepEqual([qosClassOf(podOf(more)), cgroupParentOf(podOf(more))], [qos, parent]));
  }

  it('counts init containers', () => assert.equal(qosClassOf(podOf(of(full, full), { initContainers: [exampleSpec('one')] })), 'Burstable'));
});

const settings: ResourceSettings = { allocatable: { millicpu: 2000, memoryBytes: 4 * GiB }, cgroupVersion: 1 };

describe('resources of a container', () => {
  const resources = (more: Partial<ContainerSpec>, on = settings) => linuxResources(podOf(more), exampleSpec('main', more), on);

  it('are shares, a quota and a limit', () => {
    assert.deepEqual(resources({}), { cpuPeriod: 100_000, cpuQuota: 0, cpuShares: 2, oomScoreAdj: 1000 });
    assert.deepEqual(resources(of({ cpu: '250m', memory: '1Gi' }, { cpu: '1.5', memory: '2Gi' })), { cpuPeriod: 100_000, cpuQuota: 150_000, cpuShares: 256, memoryLimitBytes: 2 * GiB, oomScoreAdj: 750 });
    assert.deepEqual(resources(of({ cpu: '1m' }, { cpu: '1m' })), { cpuPeriod: 100_000, cpuQuota: 1000, cpuShares: 2, oomScoreAdj: 999 });
  });

  it('end all of a container that runs out of memory, where the kernel can', () => {
    assert.deepEqual([resources({}).unified, resources({}, { ...settings, cgroupVersion: 2 }).unified], [undefined, { 'memory.oom.group': '1' }]);
  });

  it('protect the guaranteed, the critical and the sidecars of the small', () => {
    const score = (more: Partial<ContainerSpec>, spec: Partial<PodManifestSpec> = {}): number => oomScoreAdj(podOf(more, spec), exampleSpec('main', more), 4 * GiB);
    const both = { cpu: '1', memory: '1Gi' };
    assert.deepEqual([score(of(both, both)), score({}, { priority: 2_000_001_000 }), score(of({ memory: '4Gi' }))], [-997, -997, 3]);
    const side = exampleSpec('side', { restartPolicy: 'Always' });
    assert.equal(oomScoreAdj(podOf(of({ memory: '2Gi' }), { initContainers: [side] }), side, 4 * GiB), 500);
  });
});

describe('the security of a container', () => {
  const of = (pod: PodManifestSpec['securityContext'], own: ContainerSpec['securityContext'], user?: CriImage['user'], spec: Partial<PodManifestSpec> = {}): ReturnType<typeof containerSecurity> => {
    const container = exampleSpec('main', own === undefined ? {} : { securityContext: own });
    return containerSecurity(examplePod({ ...spec, ...(pod === undefined ? {} : { securityContext: pod }) }), container, user === undefined ? image : { ...image, user }, undefined);
  };

  it('is its own, then the pod\'s, then the image\'s', () => {
    assert.deepEqual([of({ runAsUser: 1, runAsGroup: 2 }, { runAsUser: 3 }).runAsUser, of({ runAsUser: 1, runAsGroup: 2 }, undefined).runAsGroup], [3, 2]);
    assert.deepEqual([of(undefined, undefined, { uid: 7 }).runAsUser, of(undefined, undefined).runAsUser, of(undefined, undefined, { name: 'app' }).runAsUsername], [7, 0, 'app']);
    assert.deepEqual(of({ fsGroup: 1, supplementalGroups: [2, 3] }, undefined).supplementalGroups, [1, 2, 3]);
    assert.deepEqual([of(undefined, undefined).seccomp, of({ seccompProfile: { type: 'RuntimeDefault' } }, undefined).seccomp], [{ type: 'Unconfined' }, { type: 'RuntimeDefault' }]);
    assert.deepEqual([of(undefined, { allowPrivilegeEscalation: false }).noNewPrivileges, of(undefined, {}).noNewPrivileges], [true, false]);
    assert.equal(of(undefined, { procMount: 'Unmasked' }).maskedPaths?.length, 0);
    assert.ok(of(undefined, undefined).maskedPaths?.includes('/proc/kcore'));
    assert.deepEqual([of(undefined, undefined).namespaces.pid, of(undefined, undefined, undefined, { shareProcessNamespace: true }).namespaces.pid], ['CONTAINER', 'POD']);
  });

  it('keeps root out where it is to be out', () => {
    const where = /\(pod: "pod_space\(uid\)", container: main\)$/;
    const refused = (why: RegExp, ...args: Parameters<typeof of>): void => assert.throws(() => of(...args), (error: Error) => why.test(error.message) && where.test(error.message) && 'code' in error && error.code === 'CreateContainerConfigError');
    refused(/^container's runAsUser breaks non-root policy /, { runAsNonRoot: true }, { runAsUser: 0 });
    refused(/^container has runAsNonRoot and image will run as root /, { runAsNonRoot: true }, undefined);
    refused(/^container has runAsNonRoot and image has non-numeric user \(app\), cannot verify user is non-root /, undefined, { runAsNonRoot: true }, { name: 'app' });
    assert.equal(of({ runAsNonRoot: true }, undefined, { uid: 5 }).runAsUser, 5);
    assert.equal(of({ runAsNonRoot: true }, { runAsNonRoot: false }).runAsUser, 0);
  });
});

describe('what the runtime is told', () => {
  it('expands what refers to the environment, and notes what ending it takes', () => {
    const preStop = { exec: { command: ['bye'] } };
    const container = exampleSpec('main', { command: ['run', '$(A)'], args: ['$$(A)', '$(NONE)'], lifecycle: { preStop }, terminationMessagePath: '/dev/termination-log' });
    const config = containerConfigOf(examplePod(), container, { image, restartCount: 2, environment: [{ key: 'A', value: 'a' }], mounts: [], settings, target: undefined });
    assert.deepEqual([config.command, config.args, config.logPath, config.image, config.userSpecifiedImage], [['run', 'a'], ['$(A)', '$(NONE)'], 'main/2.log', 'sha256:1', 'image:1']);
    const restored = restoredPod(config.labels, config.annotations);
    assert.deepEqual([restored.pod.metadata, restored.pod.spec.terminationGracePeriodSeconds, restored.container.lifecycle], [{ name: 'pod', namespace: 'space', uid: 'uid' }, 30, { preStop }]);
  });

  it('names the sandbox\'s host as the pod says', () => {
    const surroundings = { root: '/pods', dns: { servers: [], searches: [], options: [] }, settings: { node: 'n', hostAddress: '', clusterDns: [], clusterDomain: 'cluster.local', dns: { servers: [], searches: [] }, allocatable: { millicpu: 1, memoryBytes: 1 }, cgroupVersion: 1 as const } };
    const hostname = (spec: Partial<PodManifestSpec>): string => sandboxConfigOf(examplePod(spec), 1, surroundings).hostname;
    assert.deepEqual([hostname({}), hostname({ hostname: 'own' }), hostname({ hostname: 'own', subdomain: 'sub' }), hostname({ hostname: 'own', subdomain: 'sub', setHostnameAsFQDN: true })], ['pod', 'own', 'own', 'own.sub.space.svc.cluster.local']);
    assert.throws(() => hostname({ hostname: 'h'.repeat(60), subdomain: 'sub', setHostnameAsFQDN: true }), /is too long \(64 characters is the max, /);
    const { logDirectory, sysctls } = sandboxConfigOf(examplePod({ securityContext: { sysctls: [{ name: 'net/ipv4/ip_local_port_range', value: '1 2' }] } }), 0, surroundings);
    assert.deepEqual([logDirectory, sysctls], ['/pods/uid/logs', { 'net.ipv4.ip_local_port_range': '1 2' }]);
  });
});
