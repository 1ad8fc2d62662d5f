import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { silentProgress } from '../../src/base/progress.ts';
import type { ContainerConfig, SandboxConfig } from '../../src/container/cri.ts';
import type { CriClient } from '../../src/container/drivers/cri/client.ts';
import type { ContainerSpec, ContainerStatusReport } from '../../src/container/kubelet/pod.ts';
import { buildContainerImages, helloImageName } from '../../src/local/images/container-images.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { ensureExtraProgram } from '../../src/local/toolchain/toolchain.ts';
import { HostRuntime, until } from '../env/host-runtime.ts';
import { LocalPodFiles } from '../env/local-pod-files.ts';
import { KubeletUnderTest } from '../env/virtual-kubelet.ts';

const binDirectory = process.env['YADO_BIN'];
const LIVES = 'trap "exit 0" TERM; while :; do sleep 0.1; done';

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}

function sh(name: string, script: string, more: Partial<ContainerSpec> = {}): ContainerSpec {
  return { name, image: helloImageName, command: ['sh', '-c', script], ...more };
}

describe('pods of a virtual node on a real containerd', { skip: binDirectory === undefined ? 'YADO_BIN names no folder with the toolchain' : false, timeout: 280_000 }, () => {
  let folder: string;
  let runtime: HostRuntime;
  let cri: CriClient;
  let kubelet: KubeletUnderTest;

  before(async () => {
    const { path: images } = await buildContainerImages({ cacheFolder: join(tmpdir(), 'yado-test-images') });
    const building = { modules: join(import.meta.dirname, '../../deploy/toolchain'), cache: defaultCacheRoot, environment: process.env, progress: silentProgress };
    const plugins = [join(binDirectory ?? '', 'loopback'), await ensureExtraProgram('bridge', building), await ensureExtraProgram('host-local', building)];
    folder = await mkdtemp(join(tmpdir(), 'yado-vk-'));
    await mkdir(join(folder, 'pods'));
    runtime = await HostRuntime.start({ folder, name: `yvk${process.pid}`, network: `10.189.${process.pid % 200}`, images, plugins });
    cri = runtime.client();
    kubelet = new KubeletUnderTest({ cri, files: new LocalPodFiles(join(folder, 'pods')) });
    kubelet.start();
  });
  after(async () => {
    await kubelet?.stop();
    cri?.[Symbol.dispose]();
    await runtime?.[Symbol.asyncDispose]();
  });

  const main = (pod: string, name = 'main'): ContainerStatusReport | undefined => kubelet.status(pod).containerStatuses?.find((status) => status.name === name);
  const isReady = (pod: string): boolean => kubelet.condition(pod, 'Ready') === 'True';
  const folderOf = (pod: string): string => join(folder, 'pods', kubelet.pod(pod).metadata.uid ?? '');
  const log = (pod: string, container: string, attempt = 0): Promise<string> => readFile(join(folderOf(pod), 'logs', container, `${attempt}.log`), 'utf8');
  const gone = async (pod: string): Promise<void> => {
    const files = folderOf(pod);
    const { uid } = kubelet.pod(pod).metadata;
    await until(`${pod} is gone`, () => !kubelet.has(pod));
    await assert.rejects(readdir(files), { code: 'ENOENT' });
    assert.deepEqual((await cri.listContainers()).filter(({ labels }) => labels['io.kubernetes.pod.uid'] === uid), []);
    assert.deepEqual((await cri.listSandboxes()).filter(({ metadata }) => metadata.uid === uid), []);
    assert.ok(kubelet.released.includes(uid ?? ''));
  };

  it('runs init containers, a sidecar and main containers in their order, and ends them in the reverse', async () => {
    kubelet.create('ordered', {
      volumes: [{ name: 'notes', emptyDir: {} }],
      initContainers: [
        sh('first', 'echo first >> /notes/order', { volumeMounts: [{ name: 'notes', mountPath: '/notes' }] }),
        sh('side', 'trap "echo side-ends >> /notes/order; exit 0" TERM; echo side >> /notes/order; touch /tmp/up; while :; do sleep 0.1; done', {
          restartPolicy: 'Always', volumeMounts: [{ name: 'notes', mountPath: '/notes' }], startupProbe: { exec: { command: ['test', '-e', '/tmp/up'] }, periodSeconds: 1 },
        }),
        sh('second', 'echo second >> /notes/order', { volumeMounts: [{ name: 'notes', mountPath: '/notes' }] }),
      ],
      containers: [sh('main', 'trap "sleep 0.3; echo main-ends >> /notes/order; exit 0" TERM; echo main >> /notes/order; while :; do sleep 0.1; done', {
        volumeMounts: [{ name: 'notes', mountPath: '/notes' }], readinessProbe: { exec: { command: ['true'] }, periodSeconds: 1 },
      })],
    });
    await until('ordered is ready', () => isReady('ordered'));
    const order = join(folderOf('ordered'), 'volumes/notes/order');
    assert.equal(await readFile(order, 'utf8'), 'first\nside\nsecond\nmain\n');
    const { phase, initContainerStatuses = [], podIP, hostIP, qosClass, startTime } = kubelet.status('ordered');
    assert.equal(phase, 'Running');
    assert.deepEqual(initContainerStatuses.map(({ name, ready, started }) => [name, ready, started]), [['first', true, false], ['side', true, true], ['second', true, false]]);
    assert.equal(initContainerStatuses[0]?.state?.terminated?.reason, 'Completed');
    assert.match(podIP ?? '', /^10\.189\./);
    assert.deepEqual([hostIP, qosClass], ['192.0.2.1', 'BestEffort']);
    assert.match(startTime ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const first = kubelet.written.get('ordered')?.[0];
    assert.deepEqual(first?.containerStatuses?.[0]?.state, { waiting: { reason: 'PodInitializing' } });
    assert.deepEqual(first?.conditions?.map(({ type, status, reason }) => [type, status, reason]), [
      ['PodReadyToStartContainers', 'False', undefined], ['Initialized', 'False', 'ContainersNotInitialized'], ['Ready', 'False', 'ContainersNotReady'], ['ContainersReady', 'False', 'ContainersNotReady'], ['PodScheduled', 'True', undefined],
    ]);
    let notes = '';
    kubelet.delete('ordered');
    await until('the end is noted', async () => (notes = await readFile(order, 'utf8').catch(() => notes)).includes('side-ends') || !kubelet.has('ordered'));
    await until('ordered is gone', () => !kubelet.has('ordered'));
    assert.ok(notes.endsWith('main-ends\nside-ends\n') || notes.endsWith('main-ends\n'), notes);
    assert.equal(kubelet.written.get('ordered')?.at(-1)?.phase, 'Succeeded');
  });

  it('runs hooks, and gives a deleted pod its grace period and no more', async () => {
    kubelet.create('hooks', {
      terminationGracePeriodSeconds: 2,
      containers: [sh('main', 'trap "" TERM; while :; do sleep 0.1; done', {
        lifecycle: { postStart: { exec: { command: ['sh', '-c', 'echo post > /tmp/post'] } }, preStop: { exec: { command: ['sh', '-c', 'cat /tmp/post > /proc/1/fd/1; echo pre > /proc/1/fd/1'] } } },
      })],
    });
    await until('hooks is ready', () => isReady('hooks'));
    const file = join(folderOf('hooks'), 'logs/main/0.log');
    const begun = Date.now();
    kubelet.delete('hooks');
    const said = await until('the hook has spoken', async () => {
      const text = await readFile(file, 'utf8').catch(() => '');
      return text.includes('pre') && text;
    });
    assert.match(said, /stdout F post\n.*stdout F pre\n/);
    await gone('hooks');
    assert.ok(Date.now() - begun >= 1900 && Date.now() - begun < 5000, `${Date.now() - begun} ms`);
    const last = kubelet.written.get('hooks')?.at(-1);
    assert.deepEqual([last?.phase, last?.containerStatuses?.[0]?.state?.terminated?.exitCode], ['Failed', 137]);
    assert.ok(kubelet.eventsOf('hooks').includes('Killing: Stopping container main'));
  });

  it('restarts what crashes later and later, and counts', async () => {
    kubelet.create('crash', { containers: [sh('main', 'echo last words > /dev/termination-log; exit 3')] });
    await until('crash waits', () => main('crash')?.state?.waiting?.reason === 'CrashLoopBackOff');
    const { restartCount, state, lastState, ready } = main('crash') ?? {};
    assert.deepEqual([restartCount, ready], [1, false]);
    assert.match(state?.waiting?.message ?? '', /^back-off 10s restarting failed container=main pod=crash_default\([0-9a-f-]+\)$/);
    assert.deepEqual([lastState?.terminated?.exitCode, lastState?.terminated?.reason, lastState?.terminated?.message], [3, 'Error', 'last words\n']);
    assert.equal(kubelet.status('crash').phase, 'Running');
    assert.ok(kubelet.eventsOf('crash').some((event) => event.startsWith('BackOff: Back-off restarting failed container main in pod crash_default(')));
    await until('it was started again', () => (main('crash')?.restartCount ?? 0) === 2, 15_000);
    kubelet.delete('crash');
    await gone('crash');
  });

  it('ends jobs as they ended', async () => {
    kubelet.create('done', { restartPolicy: 'OnFailure', containers: [sh('main', 'echo done')] });
    kubelet.create('failed', { restartPolicy: 'Never', containers: [sh('main', 'echo oh no; exit 7', { terminationMessagePolicy: 'FallbackToLogsOnError' })] });
    kubelet.create('tries', { restartPolicy: 'OnFailure', containers: [sh('main', 'n=$(cat /n/n || echo 0); echo $((n + 1)) > /n/n; [ $n = 1 ]', { volumeMounts: [{ name: 'n', mountPath: '/n' }] })], volumes: [{ name: 'n', emptyDir: {} }] });
    kubelet.create('broken', { restartPolicy: 'Never', initContainers: [sh('init', 'exit 1')], containers: [sh('main', LIVES)] });
    await until('all have ended', () => ['done', 'failed', 'tries', 'broken'].every((pod) => ['Succeeded', 'Failed'].includes(kubelet.status(pod).phase ?? '')));
    const summary = (pod: string): unknown => [kubelet.status(pod).phase, main(pod)?.restartCount, main(pod)?.state?.terminated?.exitCode, main(pod)?.state?.terminated?.message];
    assert.deepEqual(summary('done'), ['Succeeded', 0, 0, undefined]);
    assert.deepEqual(summary('failed'), ['Failed', 0, 7, 'oh no\n']);
    assert.deepEqual(summary('tries'), ['Succeeded', 1, 0, undefined]);
    assert.deepEqual(summary('broken'), ['Failed', 0, undefined, undefined]);
    assert.deepEqual(kubelet.status('done').conditions?.map(({ type, status, reason }) => [type, status, reason]), [
      ['PodReadyToStartContainers', 'False', undefined], ['Initialized', 'True', 'PodCompleted'], ['Ready', 'False', 'PodCompleted'], ['ContainersReady', 'False', 'PodCompleted'], ['PodScheduled', 'True', undefined],
    ]);
    assert.match(await log('done', 'main'), /stdout F done/);
    await until('the address is given back', () => kubelet.released.includes(kubelet.pod('done').metadata.uid ?? ''));
    for (const pod of ['done', 'failed', 'tries', 'broken']) {
      kubelet.delete(pod);
      await gone(pod);
    }
  });

  it('probes, and restarts what does not live', async () => {
    kubelet.create('probed', {
      containers: [sh('main', 'touch /tmp/live /tmp/ready; trap "exit 0" TERM; while :; do sleep 0.1; done', {
        startupProbe: { exec: { command: ['test', '-e', '/tmp/live'] }, periodSeconds: 1 },
        livenessProbe: { exec: { command: ['test', '-e', '/tmp/live'] }, periodSeconds: 1, failureThreshold: 2, terminationGracePeriodSeconds: 5 },
        readinessProbe: { exec: { command: ['test', '-e', '/tmp/ready'] }, periodSeconds: 1, failureThreshold: 1 },
      })],
    });
    await until('probed is ready', () => isReady('probed'));
    const container = (main('probed')?.containerID ?? '').replace('containerd://', '');
    await cri.execSync(container, ['rm', '/tmp/ready'], 5);
    await until('probed is not ready', () => !isReady('probed'));
    assert.ok(kubelet.eventsOf('probed').some((event) => event.startsWith('Unhealthy: Readiness probe failed: ')));
    await cri.execSync(container, ['rm', '/tmp/live'], 5);
    await until('probed was restarted', () => main('probed')?.restartCount === 1 && isReady('probed'));
    assert.ok(kubelet.eventsOf('probed').includes('Killing: Container main failed liveness probe, will be restarted'));
    kubelet.delete('probed');
    await gone('probed');
  });

  it('fails a pod whose time is over, refuses what it does not run, and says what is missing', async () => {
    kubelet.create('late', { activeDeadlineSeconds: 1, containers: [sh('main', LIVES)] });
    kubelet.create('host', { hostNetwork: true, containers: [sh('main', LIVES)] });
    kubelet.create('config', { containers: [sh('main', LIVES, { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'none', key: 'a' } } }] })] });
    kubelet.create('root', { securityContext: { runAsNonRoot: true }, containers: [sh('main', LIVES)] });
    kubelet.create('program', { containers: [sh('main', LIVES, { command: ['/no/such/program'] })] });
    kubelet.create('image', { containers: [sh('main', LIVES, { image: 'localhost/yadokari/none:1', imagePullPolicy: 'Never' })] });
    await until('late has failed', () => kubelet.status('late').phase === 'Failed');
    assert.deepEqual([kubelet.status('late').reason, kubelet.status('late').message], ['DeadlineExceeded', 'Pod was active on the node longer than the specified deadline']);
    await until('host has failed', () => kubelet.status('host').phase === 'Failed');
    assert.match(kubelet.status('host').message ?? '', /^Pod was rejected: .*hostNetwork/);
    const waiting = (pod: string): string => main(pod)?.state?.waiting?.reason ?? '';
    await until('config waits', () => waiting('config') === 'CreateContainerConfigError');
    assert.equal(main('config')?.state?.waiting?.message, 'configmap "none" not found');
    await until('root waits', () => waiting('root') === 'CreateContainerConfigError');
    assert.match(main('root')?.state?.waiting?.message ?? '', /^container has runAsNonRoot and image will run as root \(pod: "root_default\(.*\)", container: main\)$/);
    await until('image waits', () => waiting('image') === 'ErrImageNeverPull');
    await until('program waits', () => ['RunContainerError', 'CrashLoopBackOff'].includes(waiting('program')));
    assert.equal(main('program')?.lastState?.terminated?.exitCode, 128);
    for (const pod of ['late', 'host', 'config', 'root', 'program', 'image']) {
      kubelet.delete(pod);
      await until(`${pod} is gone`, () => !kubelet.has(pod));
    }
  });

  it('gives other resources, makes another container for another image, and an ephemeral one when it is asked for', async () => {
    kubelet.create('changing', { shareProcessNamespace: true, containers: [sh('main', LIVES)] });
    await until('changing is ready', () => isReady('changing'));
    kubelet.update('changing', (pod) => ({ ...pod, spec: { ...pod.spec, ephemeralContainers: [sh('debug', 'ps; sleep 100', { terminationMessagePolicy: 'File', imagePullPolicy: 'IfNotPresent' })] } }));
    await until('debug runs', () => kubelet.status('changing').ephemeralContainerStatuses?.[0]?.state?.running !== undefined);
    const resources = { requests: { cpu: '100m' }, limits: { cpu: '300m' } };
    kubelet.update('changing', (pod) => ({ ...pod, spec: { ...pod.spec, containers: pod.spec.containers.map((container) => ({ ...container, resources })) } }));
    await until('changing has other resources', () => kubelet.eventsOf('changing').some((event) => event.startsWith('ResizeCompleted: ')));
    await until('its status says so', () => main('changing')?.allocatedResources?.['cpu'] === '100m');
    assert.deepEqual([main('changing')?.resources, main('changing')?.restartCount], [resources, 0]);
    const other = helloImageName.replace(/:.*/, ':other');
    await runtime.tag(helloImageName, other);
    kubelet.update('changing', (pod) => ({ ...pod, spec: { ...pod.spec, containers: pod.spec.containers.map((container) => ({ ...container, image: other })) } }));
    await until('changing runs again', () => main('changing')?.restartCount === 1 && isReady('changing'));
    assert.ok(kubelet.eventsOf('changing').includes('Killing: Container main definition changed, will be restarted'));
    kubelet.delete('changing');
    await gone('changing');
  });

  it('goes on with what runs when it is started again, and when containerd is', async () => {
    kubelet.create('kept', { containers: [sh('main', `echo begun; ${LIVES}`, { readinessProbe: { exec: { command: ['true'] }, periodSeconds: 1 } }), sh('other', LIVES)] });
    kubelet.create('ended', { restartPolicy: 'Never', containers: [sh('main', 'exit 2')] });
    await until('kept is ready', () => isReady('kept') && kubelet.status('ended').phase === 'Failed');
    const ids = (): unknown => kubelet.status('kept').containerStatuses?.map(({ containerID, restartCount }) => [containerID, restartCount]);
    const before = ids();
    await kubelet.stop();
    const [writes, events] = [kubelet.written.get('kept')?.length, kubelet.eventsOf('kept').length];
    kubelet.start();
    await delay(2500);
    assert.deepEqual([ids(), kubelet.written.get('kept')?.length, kubelet.eventsOf('kept').length], [before, writes, events], 'nothing is written, nothing done');
    assert.equal(kubelet.status('ended').phase, 'Failed');

    await runtime.kill();
    await delay(1500);
    assert.ok(isReady('kept'), 'silence says nothing');
    await runtime.restart();
    await delay(2500);
    assert.deepEqual(ids(), before);
    assert.match(await log('kept', 'main'), /^\S+ stdout F begun\n$/);
    await cri.execSync((main('kept', 'other')?.containerID ?? '').replace('containerd://', ''), ['kill', '1'], 5);
    await until('other was restarted', () => main('kept', 'other')?.restartCount === 1);
    for (const pod of ['kept', 'ended']) {
      kubelet.delete(pod);
      await gone(pod);
    }
  });

  it('makes another sandbox when one dies, and removes what nobody knows', async () => {
    kubelet.create('sandbox', { containers: [sh('main', LIVES)] });
    await until('sandbox is ready', () => isReady('sandbox'));
    const { uid } = kubelet.pod('sandbox').metadata;
    const [sandbox] = (await cri.listSandboxes()).filter(({ metadata }) => metadata.uid === uid);
    const pid = (await cri.sandboxStatus(sandbox?.id ?? ''))?.pid;
    process.kill(pid ?? 0, 'SIGKILL');
    await until('it runs again', () => main('sandbox')?.restartCount === 1 && isReady('sandbox'));
    assert.ok(kubelet.eventsOf('sandbox').includes('SandboxChanged: Pod sandbox changed, it will be killed and re-created.'));
    await kubelet.stop();
    kubelet.forget('sandbox');
    kubelet.start();
    await until('the orphan is gone', async () => !(await cri.listSandboxes()).some(({ metadata }) => metadata.uid === uid) && !(await readdir(join(folder, 'pods'))).includes(uid ?? ''), 20_000);
  });

  it('speaks the rest of the runtime\'s language', async () => {
    assert.equal((await cri.version()).runtimeName, 'containerd');
    assert.deepEqual((await cri.status()).map(({ type, status }) => [type, status]), [['RuntimeReady', true], ['NetworkReady', true]]);
    kubelet.create('spoken', { containers: [sh('main', `echo one; ${LIVES}`)] });
    await until('spoken is ready', () => isReady('spoken'));
    const id = (main('spoken')?.containerID ?? '').replace('containerd://', '');
    const [stats] = (await cri.listStats()).filter((one) => one.id === id);
    assert.ok((stats?.memoryUsageBytes ?? 0n) > 0n && stats?.metadata.name === 'main');
    assert.match(await cri.exec({ container: id, command: ['true'], tty: false, stdin: false, stdout: true, stderr: true }), /^http:\/\/127\.0\.0\.1:\d+\/exec\//);
    assert.match(await cri.attach({ container: id, tty: false, stdin: false, stdout: true, stderr: true }), /\/attach\//);
    const status = await cri.containerStatus(id);
    assert.equal(status?.state, 'RUNNING');
    const [sandbox] = (await cri.listSandboxes()).filter(({ metadata }) => metadata.name === 'spoken');
    assert.match(await cri.portForward(sandbox?.id ?? '', [80]), /\/portforward\//);
    const { stdout, exitCode } = await cri.execSync(id, ['sh', '-c', 'echo out; exit 4'], 5);
    assert.deepEqual([stdout.toString(), exitCode], ['out\n', 4]);
    await assert.rejects(cri.execSync(id, ['sleep', '10'], 1), { code: 'RuntimeTimeout' });
    await cri.updateResources(id, { cpuShares: 512 });
    await rename(status?.logPath ?? '', `${status?.logPath ?? ''}.1`);
    await cri.reopenLog(id);
    await cri.execSync(id, ['sh', '-c', 'echo two > /proc/1/fd/1'], 5);
    await until('the new log is written', async () => (await log('spoken', 'main')).includes('stdout F two'));
    assert.ok((await cri.listImages()).some(({ repoTags }) => repoTags.includes(helloImageName)));
    // Counted now and then.
    assert.equal(typeof await cri.imageUsedBytes(), 'number');
    assert.deepEqual([await cri.containerStatus('none'), await cri.sandboxStatus('none'), await cri.imageStatus('localhost/none:1')], [undefined, undefined, undefined]);
    await cri.stopContainer('none', 1);
    await cri.removeContainer('none');
    kubelet.delete('spoken');
    await gone('spoken');
  });

  it('starts a pod about as fast as the runtime does', async (test) => {
    const own: number[] = [];
    const raw: number[] = [];
    for (let index = 0; index < 6; index += 1) {
      const begun = performance.now();
      kubelet.create(`timed-${index}`, { containers: [sh('main', LIVES)] });
      await until('it is ready', () => isReady(`timed-${index}`));
      own.push(performance.now() - begun);
      const { tookMs, remove } = await rawStart(index);
      raw.push(tookMs);
      await remove();
    }
    const [ownMs, rawMs] = [median(own), median(raw)];
    test.diagnostic(`from the pod to its status: ${ownMs.toFixed(0)} ms; the runtime's three calls: ${rawMs.toFixed(0)} ms; ${(ownMs / rawMs).toFixed(2)} x`);
    assert.ok(ownMs < 2 * rawMs + 50);
    for (let index = 0; index < 6; index += 1) kubelet.delete(`timed-${index}`, 2);
    await until('they are gone', () => !kubelet.has('timed-0') && !kubelet.has('timed-5'));
  });

  it('starts thirty pods at once', async (test) => {
    const names = Array.from({ length: 30 }, (_, index) => `many-${index}`);
    const begun = performance.now();
    for (const name of names) kubelet.create(name, { containers: [sh('main', 'exec sleep 1000')] });
    await until('all are ready', () => names.every(isReady), 60_000);
    const own = performance.now() - begun;
    for (const name of names) kubelet.delete(name, 0);
    await until('all are gone', () => !names.some((name) => kubelet.has(name)), 60_000);
    const rawBegun = performance.now();
    const ends = await Promise.all(names.map((_, index) => rawStart(index)));
    test.diagnostic(`30 pods are ready after ${(own / 1000).toFixed(1)} s; by the runtime's calls alone after ${((Math.max(...ends.map(({ endedAt }) => endedAt)) - rawBegun) / 1000).toFixed(1)} s`);
    await Promise.all(ends.map(({ remove }) => remove()));
    assert.deepEqual(await cri.listContainers(), []);
  });

  /** A pod by the runtime's calls alone. */
  async function rawStart(index: number): Promise<{ readonly tookMs: number; readonly endedAt: number; readonly remove: () => Promise<void> }> {
    const uid = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
    const sandboxConfig: SandboxConfig = {
      metadata: { name: `raw-${index}`, namespace: 'raw', uid, attempt: 0 }, hostname: 'raw', logDirectory: join(folder, 'raw', uid), dns: { servers: [], searches: [], options: [] },
      labels: {}, annotations: {}, cgroupParent: `/raw${index}`, securityContext: { namespaces: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } },
    };
    const config: ContainerConfig = {
      metadata: { name: 'main', attempt: 0 }, image: helloImageName, command: ['sh', '-c', LIVES], envs: [], mounts: [], labels: {}, annotations: {}, logPath: 'main.log', resources: {},
      security: { namespaces: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } },
    };
    await mkdir(sandboxConfig.logDirectory, { recursive: true });
    const begun = performance.now();
    const sandbox = await cri.runSandbox(sandboxConfig);
    await cri.startContainer(await cri.createContainer(sandbox, config, sandboxConfig));
    const endedAt = performance.now();
    const remove = async (): Promise<void> => {
      await cri.stopSandbox(sandbox);
      await cri.removeSandbox(sandbox);
    };
    return { tookMs: endedAt - begun, endedAt, remove };
  }

  it('keeps its word while containerd is killed and the agent restarted over and over', async (test) => {
    const names = Array.from({ length: 6 }, (_, index) => `storm-${index}`);
    for (const name of names) kubelet.create(name, { terminationGracePeriodSeconds: 2, containers: [sh('main', LIVES), sh('other', LIVES)] });
    for (let round = 0; round < 12; round += 1) {
      await delay(100 + 37 * round);
      if (round % 3 === 2) {
        await kubelet.stop();
        kubelet.start();
      } else {
        await runtime.kill();
        await delay(50 * (round % 4));
        await runtime.restart();
      }
      const name = names[round % names.length] ?? '';
      if (round < 6) kubelet.delete(name);
      else if (!kubelet.has(name)) kubelet.create(name, { terminationGracePeriodSeconds: 2, containers: [sh('main', LIVES), sh('other', LIVES)] });
    }
    await until('all that are left are ready', () => names.every((name) => !kubelet.has(name) || isReady(name)), 60_000);
    const running = (await cri.listContainers()).filter(({ state }) => state === 'RUNNING');
    const left = names.filter((name) => kubelet.has(name));
    test.diagnostic(`${left.length} pods of ${names.length} are left, restarts: ${left.map((name) => kubelet.status(name).containerStatuses?.map(({ restartCount }) => restartCount).join('+')).join(' ')}`);
    assert.deepEqual(running.map(({ id }) => `containerd://${id}`).toSorted(), left.flatMap((name) => kubelet.status(name).containerStatuses?.map(({ containerID = '' }) => containerID) ?? []).toSorted(), 'what runs is what is said to run, each once');
    for (const name of left) kubelet.delete(name);
    await until('all are gone', () => !names.some((name) => kubelet.has(name)), 30_000);
    await until('nothing is left behind', async () => (await cri.listSandboxes()).length === 0 && (await readdir(join(folder, 'pods'))).length === 0, 30_000);
  });

  it('tells who ran out of memory', async (test) => {
    kubelet.create('hungry', { restartPolicy: 'Never', containers: [sh('main', 'x=x; while :; do x=$x$x; done', { resources: { limits: { memory: '16Mi' } } })] });
    await until('hungry has ended', () => main('hungry')?.state?.terminated !== undefined, 30_000);
    const { reason, exitCode } = main('hungry')?.state?.terminated ?? {};
    if (reason !== 'OOMKilled') test.diagnostic(`the host's cgroups say ${reason}`);
    assert.deepEqual([reason, exitCode], ['OOMKilled', 137]);
    kubelet.delete('hungry');
    await gone('hungry');
  });
});
