import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import { conditionOf } from '../../src/kube/conditions.ts';
import type { VirtualMachine } from '../../src/kube/yadokari.ts';
import { object, startTestCluster, tinyImage, tinyMachine, words, type TestCluster } from '../env/cluster.ts';

const NAMESPACE = 'light';

/** Counts on each of its disks how often it was started, and serves what it found. */
const userData = `#!/bin/sh
mkdir -p /www
for block in /sys/block/vd*; do
  read -r disk < "$block/serial"
  case $disk in data | scratch) ;; *) continue ;; esac
  count=$(dd if="/dev/\${block##*/}" bs=16 count=1 2>/dev/null | tr -d '\\000')
  count=$((\${count:-0} + 1))
  echo "$count" | dd of="/dev/\${block##*/}" conv=notrunc,fsync 2>/dev/null
  echo "$disk $count" >> /www/disks
done
free -m | awk '/Mem:/ { print $2 }' > /www/memory
hostname > /www/index.html
httpd -p 0.0.0.0:80 -h /www
`;

const service = (name: string, spec: string) => `---\napiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {${spec}, selector: {app: web}, ports: [{name: http, port: 80}]}\n`;

const deployment = `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: plain}
spec:
  replicas: 2
  selector: {matchLabels: {app: plain}}
  template:
    metadata: {labels: {app: plain}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: main, image: 'localhost/yadokari/hello:1', command: [sleep, '1000']}]}
`;

const web = (spec: Readonly<Record<string, unknown>> = {}) => tinyMachine('web', {
  hostname: 'web', subdomain: 'group',
  network: { ports: [{ name: 'http', port: 80 }] },
  probes: { readiness: { httpGet: { port: 'http' }, periodSeconds: 1 } },
  cloudInit: { userDataSecret: { name: 'web-data' } },
  disks: [{ name: 'data', blank: {}, size: '16Mi' }, { name: 'scratch', blank: {}, size: '16Mi', ephemeral: true }],
  ...spec,
});

const running = (vm: VirtualMachine) => vm.status?.printableStatus === 'Running' && vm.status.guest?.phase === 'Running';
const reasonOf = (vm: VirtualMachine) => conditionOf(vm.status?.conditions, 'Ready')?.reason;

describe('first light', { timeout: 480_000 }, () => {
  let cluster: TestCluster;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const inPod = (...command: readonly string[]) => kubectl('exec', 'box', '--', ...command);
  const vmThat = (name: string, what: string, holds: (vm: VirtualMachine) => boolean, deadlineMs?: number) => cluster.vmThat(NAMESPACE, name, what, holds, deadlineMs);
  const isReady = (vm: VirtualMachine) => vm.status?.ready === true;
  const served = async (vm: VirtualMachine, file: string) => (await fetch(`http://${vm.status?.address ?? ''}/${file}`, { signal: AbortSignal.timeout(5000) })).text();
  const anchorsOf = async (name: string) => words(await kubectl('get', 'pods', '-l', `yadokari.dev/virtual-machine=${name}`, '-o', 'name'));
  const restart = (name: string) => kubectl('annotate', 'vm', name, '--overwrite', `yadokari.dev/restarted-at=${new Date().toISOString()}`);
  const setSpec = (name: string, spec: unknown) => kubectl('patch', 'vm', name, '--type=merge', '-p', JSON.stringify({ spec }));
  const powerOff = (vm: VirtualMachine) => cluster.inNode(vm.status?.node ?? '', 'virsh', '-q', 'shutdown', vm.metadata.uid ?? '');
  const kill = async (vm: VirtualMachine) => cluster.shell(vm.status?.node ?? '', `kill -9 $(cat /run/libvirt/qemu/${vm.metadata.namespace}.${vm.metadata.name}.pid)`);
  const poweredUp = (name: string) => cluster.eventually(`${name} hears its power button`, async () => (await vmThat(name, 'has its agent', (vm) => vm.status?.guest?.agentConnected === true)), 30_000, NAMESPACE);

  before(async () => {
    cluster = await startTestCluster({ name: 'light' });
    await cluster.namespace(NAMESPACE);
    await kubectl('create', 'secret', 'generic', 'web-data', `--from-literal=userdata=${userData}`);
    const box = object('Pod', 'box', { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image: 'localhost/yadokari/hello:1', command: ['sleep', '1000'] }] });
    await cluster.apply(NAMESPACE, tinyImage + web() + box + service('front', 'type: ClusterIP') + service('group', 'clusterIP: None'));
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  it('makes a machine and a container Ready, for kubectl wait', async () => {
    await kubectl('wait', '--for=condition=Ready', 'vm/web', 'ypod/box', '--timeout=60s');
    assert.equal((await vmThat('web', 'Ready', isReady)).status?.printableStatus, 'Running');
    await kubectl('wait', '--for=condition=Ready', 'pod', '--all', '--timeout=10s');
  });

  it('shows in kubectl get what a person wants to know', async () => {
    const vm = await vmThat('web', 'has its agent', ({ status }) => status?.guest?.osName !== undefined);
    const [headings, line] = (await kubectl('get', 'vm', '-o', 'wide')).split('\n');
    assert.deepEqual(words(headings ?? ''), ['NAME', 'STATUS', 'READY', 'NODE', 'ADDRESS', 'CPU', 'MEMORY', 'IMAGE', 'GUEST', 'TENANT', 'ANCHOR', 'AGE']);
    for (const part of ['web', 'Running', 'True', vm.status?.node, vm.status?.address, '128Mi', 'Yadokari tiny guest', vm.status?.anchor]) assert.ok(line?.includes(part ?? '?'), `${part} in ${line}`);
    assert.match(await kubectl('get', 'ypod', 'box'), /box +Running +1\/1 +node +n[12] +\d+\.\d+\.\d+\.\d+/);
    const anchor = await kubectl('get', 'pod', vm.status?.anchor ?? '', '-o', 'wide');
    assert.match(anchor, /1\/1 +Running/);
    assert.ok(anchor.includes(vm.status?.address ?? '?') && anchor.includes(vm.status?.node ?? '?'));
    assert.match(await kubectl('get', 'vmimage'), /tiny +tar +True +Imported/);
  });

  it('describes and explains the machine', async () => {
    const text = await kubectl('describe', 'vm', 'web');
    for (const part of ['Scheduled', 'Started', 'the guest was started with address', 'Ready', 'the guest runs and is ready']) assert.ok(text.includes(part), `${part} in\n${text}`);
    assert.doesNotMatch(text, /Warning/);
    assert.match(await kubectl('explain', 'vm.spec.disks'), /boot order/);
    assert.match(await kubectl('explain', 'vm.spec.runStrategy'), /RerunOnFailure: started again after a crash/);
  });

  it("shows the guest's console in kubectl logs", async () => {
    const { status } = await cluster.vm(NAMESPACE, 'web');
    const log = await cluster.eventually('the console', async () => {
      const text = await kubectl('logs', status?.anchor ?? '');
      return text.includes('yadokari: ready') && text;
    }, 10_000, NAMESPACE);
    assert.ok(log.includes(`yadokari: ready web ${status?.address}`), log);
  });

  it('runs a command in a container', async () => {
    assert.equal((await inPod('hostname')).trim(), 'box');
  });

  it('stands behind a Service, by DNS name', async () => {
    for (const name of ['front', `front.${NAMESPACE}.svc.cluster.local`]) {
      assert.equal((await cluster.eventually(`${name} answers`, () => inPod('wget', '-q', '-O', '-', `http://${name}/`), 10_000, NAMESPACE)).trim(), 'web');
    }
  });

  it('has a DNS name of its own by hostname and subdomain', async () => {
    const { status } = await cluster.vm(NAMESPACE, 'web');
    const found = await cluster.eventually('the name', () => inPod('nslookup', `web.group.${NAMESPACE}.svc.cluster.local`), 10_000, NAMESPACE);
    assert.ok(found.includes(status?.address ?? '?'), found);
    assert.equal((await inPod('wget', '-q', '-O', '-', `http://web.group.${NAMESPACE}.svc.cluster.local/`)).trim(), 'web');
  });

  it('runs a Deployment beside it', async () => {
    await cluster.apply(NAMESPACE, deployment);
    await kubectl('rollout', 'status', 'deployment/plain', '--timeout=30s');
    await kubectl('delete', 'deployment', 'plain', '--wait=false');
  });

  it('says that a changed memory needs a restart, and applies it with one; address, MAC and data stay', async () => {
    const before = await cluster.vm(NAMESPACE, 'web');
    assert.equal(await served(before, 'disks'), 'data 1\nscratch 1\n');
    assert.equal(before.status?.home, before.status?.node);
    await setSpec('web', { memory: '192Mi' });
    const changed = await vmThat('web', 'RestartRequired', ({ status }) => conditionOf(status?.conditions, 'RestartRequired')?.status === 'True');
    assert.equal(changed.status?.anchor, before.status?.anchor);
    await restart('web');
    const again = await vmThat('web', 'Ready again', (vm) => isReady(vm) && vm.status?.anchor !== before.status?.anchor);
    const { status } = again;
    assert.deepEqual([status?.address, status?.guest?.macAddress, status?.home, status?.node], [before.status?.address, before.status?.guest?.macAddress, before.status?.node, before.status?.node]);
    assert.equal(conditionOf(status?.conditions, 'RestartRequired'), undefined);
    assert.equal(status?.restarts ?? 0, 0);
    assert.equal(await served(again, 'disks'), 'data 2\nscratch 1\n');
    const memoryMiB = Number(await served(again, 'memory'));
    assert.ok(memoryMiB > 128 && memoryMiB < 192, `${memoryMiB} MiB`);
  });

  it('stops gracefully when it is Halted, and comes back with the same address and MAC', async () => {
    const before = await poweredUp('web');
    const started = performance.now();
    await setSpec('web', { runStrategy: 'Halted' });
    const stopped = await vmThat('web', 'Stopped', ({ status }) => status?.printableStatus === 'Stopped');
    assert.ok(performance.now() - started < 9000, 'it did not wait for its grace period to end');
    assert.deepEqual([stopped.status?.guest?.reason, reasonOf(stopped)], ['Requested', 'Halted']);
    assert.deepEqual(await anchorsOf('web'), []);
    await setSpec('web', { runStrategy: 'Always' });
    const again = await vmThat('web', 'Ready again', isReady);
    assert.deepEqual([again.status?.address, again.status?.guest?.macAddress], [before.status?.address, before.status?.guest?.macAddress]);
    assert.equal(await served(again, 'disks'), 'data 3\nscratch 1\n');
  });

  it('does not start again what has powered off and should run once or until success', async () => {
    await cluster.apply(NAMESPACE, tinyMachine('once', { runStrategy: 'Once' }) + tinyMachine('rerun', { runStrategy: 'RerunOnFailure' }));
    for (const name of ['once', 'rerun']) await powerOff(await poweredUp(name));
    for (const name of ['once', 'rerun']) {
      const done = await vmThat(name, 'Stopped', ({ status }) => status?.printableStatus === 'Stopped');
      assert.deepEqual([done.status?.completed, reasonOf(done), done.status?.guest?.reason], [true, 'Completed', 'Shutdown']);
    }
    await delay(3000);
    for (const name of ['once', 'rerun']) assert.deepEqual(await anchorsOf(name), []);
    await restart('once');
    await vmThat('once', 'Running again', (vm) => running(vm) && vm.status?.completed !== true);
    for (const name of ['once', 'rerun']) await cluster.deleteMachine(NAMESPACE, name);
  });

  it('starts a crashed guest again at once, and ever later when it keeps crashing', async () => {
    await cluster.apply(NAMESPACE, tinyMachine('crash'));
    const first = await vmThat('crash', 'Running', running);
    await kill(first);
    const second = await vmThat('crash', 'Running again', (vm) => running(vm) && vm.status?.anchor !== first.status?.anchor, 15_000);
    assert.deepEqual([second.status?.restarts, second.status?.failures, second.status?.address], [1, 1, first.status?.address]);
    const waits: number[] = [];
    let last = second;
    for (const failures of [2, 3]) {
      const anchor = last.status?.anchor;
      await kill(last);
      const killed = Date.now();
      const waiting = await vmThat('crash', 'CrashLoopBackOff', ({ status }) => status?.printableStatus === 'CrashLoopBackOff' && status.failures === failures, 10_000);
      waits.push(Date.parse(waiting.status?.nextStart ?? '') - killed);
      assert.equal(reasonOf(waiting), 'BackOff');
      assert.match(conditionOf(waiting.status?.conditions, 'Ready')?.message ?? '', /crashed; it is started again at /);
      if (failures === 2) last = await vmThat('crash', 'Running after its wait', (vm) => running(vm) && vm.status?.anchor !== anchor, 20_000);
    }
    const [shorter = 0, longer = 0] = waits;
    assert.ok(shorter > 7000 && shorter < 13_000, `${shorter} ms`);
    assert.ok(longer > 1.5 * shorter && longer < 25_000, `${longer} ms`);
    const events = await kubectl('get', 'events', '--field-selector', 'involvedObject.name=crash', '-o', 'custom-columns=R:.reason');
    for (const reason of ['GuestCrashed', 'BackOff']) assert.ok(words(events).includes(reason), events);
    await cluster.deleteMachine(NAMESPACE, 'crash');
  });

  it('leaves nothing behind when it is deleted', async (t) => {
    const { status } = await poweredUp('web');
    assert.equal((await cluster.taps(status?.node ?? '')).length, 1);
    const goneMs = await cluster.deleteMachine(NAMESPACE, 'web');
    t.diagnostic(`gone after ${Math.round(goneMs)} ms`);
    for (const node of cluster.nodes) assert.deepEqual(await cluster.taps(node), []);
  });
});
