import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerSpec } from '../../src/container/kubelet/pod.ts';
import { until } from '../env/host-runtime.ts';
import { LocalPodFiles } from '../env/local-pod-files.ts';
import { SimulatedCri } from '../env/simulated-cri.ts';
import { KubeletUnderTest } from '../env/virtual-kubelet.ts';

const main: ContainerSpec = { name: 'main', image: 'image:1' };

describe('pods of a virtual node on a simulated runtime', { timeout: 60_000 }, () => {
  let folder: string;
  let cri: SimulatedCri;
  let kubelet: KubeletUnderTest;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-vks-'));
    cri = new SimulatedCri(() => Date.now());
    kubelet = new KubeletUnderTest({ cri, files: new LocalPodFiles(folder) });
    kubelet.start();
  });
  afterEach(async () => {
    cri.unreachable = false;
    await kubelet.stop();
    await rm(folder, { recursive: true });
  });

  const isReady = (): boolean => kubelet.condition('pod', 'Ready') === 'True';
  const ready = async (): Promise<void> => void (await until('the pod is ready', isReady));
  const restarts = (): number => kubelet.status('pod').containerStatuses?.[0]?.restartCount ?? -1;
  const stops = (): readonly string[] => cri.calls.filter((call) => call.startsWith('stopContainer'));

  it('concludes nothing from a runtime that does not answer, and does later what was asked meanwhile', async () => {
    kubelet.create('pod', { containers: [main] });
    await ready();
    cri.unreachable = true;
    const { length } = kubelet.written.get('pod') ?? [];
    await delay(1500);
    assert.deepEqual([isReady(), kubelet.written.get('pod')?.length], [true, length]);
    kubelet.delete('pod', 0);
    await delay(1500);
    assert.deepEqual([isReady(), kubelet.status('pod').phase, stops().length], [true, 'Running', 1]);
    cri.unreachable = false;
    await until('the pod is gone', () => !kubelet.has('pod'));
    assert.deepEqual([await cri.listSandboxes(), await readdir(folder)], [[], []]);
  });

  it('takes back time that was given to end in', async () => {
    cri.stubborn.add('main');
    kubelet.create('pod', { containers: [main] });
    await ready();
    kubelet.delete('pod', 30);
    await until('it is told to end', () => stops().length === 1);
    kubelet.delete('pod', 30);
    await delay(200);
    assert.deepEqual(stops(), ['stopContainer main 30'], 'the same time is nothing new');
    const begun = Date.now();
    kubelet.delete('pod', 1);
    await until('the pod is gone', () => !kubelet.has('pod'));
    assert.deepEqual(stops(), ['stopContainer main 30', 'stopContainer main 2']);
    assert.ok(Date.now() - begun < 4000);
  });

  it('removes a pod that was deleted by force', async () => {
    kubelet.create('pod', { containers: [main] });
    await ready();
    kubelet.forget('pod');
    await until('nothing is left', async () => (await cri.listSandboxes()).length === 0 && (await readdir(folder)).length === 0);
  });

  it('fails a pod for which it has no room, and has it again when another has ended', async () => {
    const asking = (cpu: string): ContainerSpec => ({ ...main, resources: { requests: { cpu } } });
    kubelet.create('pod', { containers: [asking('1500m')] });
    await ready();
    kubelet.create('late', { containers: [asking('600m')] });
    await until('it is refused', () => kubelet.status('late').phase === 'Failed');
    const { reason, message } = kubelet.status('late');
    assert.deepEqual([reason, message], ['OutOfcpu', "Pod was rejected: Node didn't have enough resource: cpu, requested: 600, used: 1500, capacity: 2000"]);
    assert.deepEqual(kubelet.eventsOf('late'), ["OutOfcpu: Node didn't have enough resource: cpu, requested: 600, used: 1500, capacity: 2000"]);
    assert.equal((await cri.listSandboxes()).length, 1, 'nothing was made of it');
    kubelet.delete('pod', 0);
    await until('the pod is gone', () => !kubelet.has('pod'));
    kubelet.create('next', { containers: [asking('2')] });
    await until('the next is Ready', () => kubelet.condition('next', 'Ready') === 'True');
  });

  it('asks nobody again who runs, also when it is started anew on a node that has shrunk', async () => {
    kubelet.create('pod', { containers: [{ ...main, resources: { requests: { cpu: '1500m' } } }] });
    await ready();
    await kubelet.stop();
    kubelet.node = { ...kubelet.node, status: { allocatable: { cpu: '1', memory: '4Gi', pods: '110' } } };
    kubelet.start();
    await delay(1500);
    assert.deepEqual([kubelet.status('pod').phase, isReady()], ['Running', true]);
  });

  it('ends a pod that waits for what does not come', async () => {
    kubelet.create('pod', { volumes: [{ name: 'v', configMap: { name: 'none' } }], containers: [main] });
    await until('it waits', () => kubelet.eventsOf('pod').some((event) => event.startsWith('FailedMount: ')));
    assert.deepEqual(kubelet.status('pod').containerStatuses?.[0]?.state, { waiting: { reason: 'ContainerCreating' } });
    kubelet.delete('pod');
    await until('the pod is gone', () => !kubelet.has('pod'));
    assert.deepEqual([kubelet.written.get('pod')?.at(-1)?.phase, cri.calls.filter((call) => call.startsWith('runSandbox'))], ['Failed', []]);
  });

  it('says why a container cannot be made, and makes it when it can', async () => {
    cri.failing.add('createContainer');
    kubelet.create('pod', { containers: [main] });
    await until('it waits', () => kubelet.status('pod').containerStatuses?.[0]?.state?.waiting?.reason === 'CreateContainerError');
    assert.equal(kubelet.status('pod').containerStatuses?.[0]?.state?.waiting?.message, 'createContainer fails');
    const { length } = cri.calls;
    await delay(1000);
    assert.equal(cri.calls.length, length, 'not at once again');
    cri.failing.clear();
    kubelet.update('pod', (pod) => pod);
    await ready();
    assert.equal(restarts(), 0);
  });

  it('says again what somebody has written over', async () => {
    kubelet.create('pod', { containers: [main] });
    await ready();
    const said = kubelet.status('pod');
    kubelet.overwrite('pod', { ...said, conditions: (said.conditions ?? []).map((condition) => (condition.type === 'Ready' ? { ...condition, status: 'False' } : condition)) });
    assert.ok(!isReady());
    await until('it is said again', isReady);
  });

  it('starts pods again on a machine that has lost them, and counts that', async () => {
    kubelet.create('pod', { containers: [main] });
    kubelet.create('never', { restartPolicy: 'Never', containers: [main] });
    await until('both run', () => isReady() && kubelet.condition('never', 'Ready') === 'True');
    await kubelet.stop();
    cri.forgetAll();
    kubelet.start();
    await until('it runs again', () => restarts() === 1 && isReady());
    await until('who runs but once has failed', () => kubelet.status('never').phase === 'Failed');
    assert.equal(cri.calls.filter((call) => call === 'runSandbox never').length, 1);
  });

  it('counts what crashed while nobody looked', async () => {
    kubelet.create('pod', { containers: [main] });
    await ready();
    await kubelet.stop();
    cri.exit('main', 1);
    kubelet.start();
    await until('it runs again', () => restarts() === 1 && isReady());
    assert.equal(kubelet.status('pod').containerStatuses?.[0]?.lastState?.terminated?.exitCode, 1);
  });

  it('counts a start that was cut short, of which nobody knows whether anything ran', async () => {
    cri.failing.add('startContainer');
    kubelet.create('pod', { containers: [main] });
    await until('it was made', async () => (await cri.listContainers()).length > 0);
    await kubelet.stop();
    cri.failing.clear();
    kubelet.start();
    await ready();
    assert.deepEqual([restarts() > 0, (await cri.listContainers()).map(({ state }) => state)], [true, ['RUNNING']]);
  });

  it('drives out who uses most beyond what it asked for, when memory runs short, and nobody else', async () => {
    const asking = (name: string, memory: string): ContainerSpec => ({ ...main, name, resources: { requests: { memory } } });
    kubelet.create('modest', { containers: [asking('small', '200Mi')] });
    kubelet.create('greedy', { containers: [asking('large', '64Mi')], terminationGracePeriodSeconds: 600 });
    await until('both run', () => ['modest', 'greedy'].every((pod) => kubelet.condition(pod, 'Ready') === 'True'));
    cri.memory.set('small', 150 * 2 ** 20).set('large', 100 * 2 ** 20);
    kubelet.room = { ...kubelet.room, memoryAvailableBytes: 30 * 2 ** 20 };
    await until('it is driven out', () => kubelet.status('greedy').phase === 'Failed', 15_000);
    kubelet.room = { ...kubelet.room, memoryAvailableBytes: 2 ** 30 };
    const { reason, message } = kubelet.status('greedy');
    assert.deepEqual([reason, message], ['Evicted', 'The node was low on resource: memory. Threshold quantity: 50Mi, available: 30Mi. Container large was using 100Mi, request is 64Mi, has larger consumption of memory. ']);
    assert.equal(kubelet.condition('greedy', 'DisruptionTarget'), 'True');
    assert.deepEqual([kubelet.eventsOf('greedy').at(-2), stops()], [`Evicted: ${message}`, ['stopContainer large 2']]);
    assert.equal(kubelet.condition('modest', 'Ready'), 'True');
  });

  it('ends a pod that keeps more in an emptyDir than it may', async () => {
    kubelet.create('pod', { volumes: [{ name: 'scratch', emptyDir: { sizeLimit: '1Mi' } }], containers: [main] });
    await ready();
    await writeFile(join(folder, kubelet.pod('pod').metadata.uid ?? '', 'volumes/scratch/file'), Buffer.alloc(3_000_000));
    await until('it has ended', () => kubelet.status('pod').phase === 'Failed', 15_000);
    assert.deepEqual([kubelet.status('pod').reason, kubelet.status('pod').message], ['Evicted', 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". ']);
    assert.equal(kubelet.condition('pod', 'DisruptionTarget'), undefined);
    await until('nothing of it takes up room', async () => (await cri.listContainers()).length === 0 && !(await readdir(join(folder, kubelet.pod('pod').metadata.uid ?? ''))).includes('logs'));
  });
});
