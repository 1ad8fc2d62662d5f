import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { conditionOf } from '../../src/kube/conditions.ts';
import type { VirtualMachine } from '../../src/kube/yadokari.ts';
import { startTestCluster, tinyImage, tinyMachine, type TestCluster } from '../env/cluster.ts';

const NAMESPACE = 'liveness';

type Spec = Readonly<Record<string, unknown>>;

/** Serves a page until somebody asks for /cgi-bin/stop, which a guest started anew has forgotten. */
const userData = `#!/bin/sh
mkdir -p /www/cgi-bin
echo here > /www/up
printf '#!/bin/sh\\nkillall httpd\\n' > /www/cgi-bin/stop
chmod +x /www/cgi-bin/stop
httpd -p 0.0.0.0:80 -h /www
`;

/** A guest is up within seconds, and on a host with much to do within half a minute. */
const DELAY_SECONDS = 40;
const often = { initialDelaySeconds: DELAY_SECONDS, periodSeconds: 1, failureThreshold: 3 };
const machine = (name: string, probes: Spec, spec: Spec = {}) => tinyMachine(name, { probes, cloudInit: { userData }, network: { ports: [{ name: 'http', port: 80 }] }, ...spec });

/** What the API server refuses, and what it says. */
const refused: readonly (readonly [what: string, probes: Spec, says: RegExp])[] = [
  ['two probes in one', { liveness: { guestAgent: {}, tcpSocket: { port: 80 } } }, /a probe takes exactly one of httpGet, tcpSocket, grpc, guestAgent/],
  ['a probe of nothing', { liveness: { periodSeconds: 5 } }, /a probe takes exactly one of/],
  ['a liveness probe that wants more than one success', { liveness: { guestAgent: {}, successThreshold: 2 } }, /successThreshold of a liveness probe must be 1/],
  ['a port that has no such name, of httpGet', { liveness: { httpGet: { port: 'htpp' } } }, /probes\.liveness\.httpGet\.port is htpp; network\.ports has no port of this name/],
  ['a port that has no such name, of tcpSocket', { liveness: { tcpSocket: { port: 'ssh' } } }, /probes\.liveness\.tcpSocket\.port is ssh; network\.ports has no port of this name/],
  ['a port that cannot be', { liveness: { tcpSocket: { port: 70000 } } }, /port must be a number from 1 to 65535 or a name of network\.ports/],
  ['no time at all', { liveness: { guestAgent: {}, timeoutSeconds: 0 } }, /timeoutSeconds.*greater than or equal to 1/],
  ['a header that splits the request', { liveness: { httpGet: { port: 80, httpHeaders: [{ name: 'X-A', value: 'a\r\nX-B: b' }] } } }, /httpHeaders\[0\]\.value/],
];

const isReady = (vm: VirtualMachine) => vm.status?.ready === true;
const isRunning = (vm: VirtualMachine) => vm.status?.printableStatus === 'Running' && vm.status.guest?.phase === 'Running';

describe('probes of guests', { timeout: 480_000 }, () => {
  let cluster: TestCluster;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('-n', NAMESPACE, ...args);
  const vmThat = (name: string, what: string, holds: (vm: VirtualMachine) => boolean, deadlineMs = 60_000) => cluster.vmThat(NAMESPACE, name, what, holds, deadlineMs);
  const inNode = (vm: VirtualMachine, ...command: readonly string[]) => cluster.inNode(vm.status?.node ?? '', ...command);
  const isAnother = (before: VirtualMachine) => (vm: VirtualMachine) => vm.status?.anchor !== before.status?.anchor;
  /** Reasons of the events about a machine, with how often each was told. */
  const events = async (name: string): Promise<Readonly<Record<string, number>>> => {
    const text = await kubectl('get', 'events.events.k8s.io', '-o', 'json');
    const { items } = JSON.parse(text) as { readonly items: readonly { readonly reason: string; readonly type: string; readonly note: string; readonly regarding: { readonly name: string }; readonly series?: { readonly count: number } }[] };
    const about = items.filter(({ regarding, type }) => regarding.name === name && type === 'Warning');
    return Object.fromEntries(Object.entries(Object.groupBy(about, ({ reason }) => reason)).map(([reason, found]) => [reason, (found ?? []).reduce((sum, { series }) => sum + (series?.count ?? 1), 0)]));
  };

  before(async () => {
    cluster = await startTestCluster({ name: 'alive', nodes: 1 });
    await cluster.namespace(NAMESPACE);
    await cluster.apply(NAMESPACE, tinyImage
      + machine('web', { readiness: { httpGet: { port: 'http', path: '/up' } }, liveness: { httpGet: { port: 'http', path: '/up', httpHeaders: [{ name: 'Host', value: 'web.example' }] }, ...often } })
      + machine('well', { readiness: { guestAgent: {} }, liveness: { tcpSocket: { port: 'http' }, ...often } }));
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  for (const [what, probes, says] of refused) {
    it(`are refused: ${what}`, async () => {
      assert.match(await cluster.refusal(NAMESPACE, machine('m', probes)), says);
    });
  }

  it('are explained', async () => {
    assert.match(await kubectl('explain', 'vm.spec.probes.liveness'), /runStrategy\s+decides/);
    assert.match(await kubectl('explain', 'vm.spec.probes.liveness.initialDelaySeconds'), /Default 120/);
  });

  it('make a guest ready by its agent', async () => {
    const vm = await vmThat('well', 'Ready', isReady);
    const gate = await kubectl('get', 'pod', vm.status?.anchor ?? '', '-o', 'jsonpath={.status.conditions[?(@.type=="yadokari.dev/guest")].status}');
    assert.deepEqual([gate, vm.status?.guest?.agentConnected], ['True', true]);
  });

  it('end a guest that no longer serves, say so, and have it started again', async () => {
    const before = await vmThat('web', 'Ready', isReady);
    await delay(Math.max(0, Date.parse(before.status?.guest?.startedAt ?? '') + (DELAY_SECONDS + 2) * 1000 - Date.now()));
    assert.equal((await cluster.vm(NAMESPACE, 'web')).status?.anchor, before.status?.anchor);
    assert.deepEqual(await events('web'), {});
    const stopped = Date.now();
    await fetch(`http://${before.status?.address ?? ''}/cgi-bin/stop`, { signal: AbortSignal.timeout(5000) }).catch(() => {});
    const again = await vmThat('web', 'Ready again', (vm) => isReady(vm) && isAnother(before)(vm));
    assert.deepEqual([again.status?.restarts, again.status?.failures, again.status?.address, again.status?.node], [1, 1, before.status?.address, before.status?.node]);
    assert.ok(Date.parse(again.status?.guest?.startedAt ?? '') - stopped < 15_000, 'it was ended and started within seconds');
    const told = await cluster.eventually('the events', async () => {
      const found = await events('web');
      return found['LivenessFailed'] !== undefined && found;
    }, 5000, NAMESPACE);
    assert.deepEqual(told, { Unhealthy: 1, LivenessFailed: 1 });
    const described = await kubectl('describe', 'vm', 'web');
    assert.match(described, /Unhealthy .*liveness probe failed: Get "http:\/\/[\d.]+:80\/up": dial tcp [\d.]+:80: connect: connection refused; after 3 failures in a row the guest is ended/);
    assert.match(described, /LivenessFailed .*the guest was ended, since its liveness probe failed: Get "http:/);
  });

  it('leave a healthy guest alone, without a write', async () => {
    const before = await vmThat('well', 'Ready', isReady);
    await delay(Math.max(0, Date.parse(before.status?.guest?.startedAt ?? '') + (DELAY_SECONDS + 5) * 1000 - Date.now()));
    const first = await cluster.vm(NAMESPACE, 'well');
    await delay(8000);
    const last = await cluster.vm(NAMESPACE, 'well');
    assert.deepEqual([last.status?.anchor, last.status?.restarts, last.metadata.resourceVersion], [before.status?.anchor, undefined, first.metadata.resourceVersion]);
    assert.deepEqual(await events('well'), {});
  });

  it('leave a paused guest alone', async () => {
    const before = await vmThat('well', 'Ready', isReady);
    await inNode(before, 'virsh', '-q', 'suspend', before.metadata.uid ?? '');
    await vmThat('well', 'Paused', (vm) => vm.status?.printableStatus === 'Paused', 10_000);
    await delay(7000);
    await inNode(before, 'virsh', '-q', 'resume', before.metadata.uid ?? '');
    const after = await vmThat('well', 'Ready again', isReady, 15_000);
    assert.equal(after.status?.anchor, before.status?.anchor);
  });

  it('follow the runStrategy: a machine that runs once is not started again, and its status says why', async () => {
    await cluster.apply(NAMESPACE, machine('once', { liveness: { tcpSocket: { port: 9 }, initialDelaySeconds: 5, periodSeconds: 1, failureThreshold: 2 } }, { runStrategy: 'Once' }));
    const done = await vmThat('once', 'Stopped', ({ status }) => status?.printableStatus === 'Stopped' && status.completed === true);
    assert.deepEqual([done.status?.guest?.reason, conditionOf(done.status?.conditions, 'Ready')?.reason], ['LivenessFailed', 'Completed']);
    assert.match(done.status?.guest?.message ?? '', /^the guest was ended, since its liveness probe failed: dial tcp [\d.]+:9: (connect: connection refused|i\/o timeout)$/);
    await cluster.deleteMachine(NAMESPACE, 'once');
  });

  it('end a guest whose agent is gone or hangs, again and again with a growing delay', async () => {
    // The loop that keeps the agent running goes first; the guest is otherwise well.
    const silence = { gone: 'killall agent qemu-ga', hung: 'killall -STOP agent qemu-ga' };
    const liveness = { guestAgent: {}, initialDelaySeconds: 20, periodSeconds: 1, failureThreshold: 2 };
    await cluster.apply(NAMESPACE, Object.entries(silence).map(([name, command]) => machine(name, { liveness }, { cloudInit: { userData: `#!/bin/sh\nsleep 9\n${command}\n` } })).join(''));
    const names = Object.keys(silence);
    const first = await Promise.all(names.map((name) => vmThat(name, 'Running with its agent', (vm) => isRunning(vm) && vm.status?.guest?.agentConnected === true)));
    assert.deepEqual(first.map(({ status }) => status?.failures), [undefined, undefined]);
    const waiting = await Promise.all(names.map((name) => vmThat(name, 'CrashLoopBackOff', ({ status }) => status?.printableStatus === 'CrashLoopBackOff', 120_000)));
    assert.deepEqual(waiting.map(({ status }) => [status?.failures, status?.guest?.reason]), [[2, 'LivenessFailed'], [2, 'LivenessFailed']]);
    const [gone = '', hung = ''] = waiting.map(({ status }) => conditionOf(status?.conditions, 'Ready')?.message);
    assert.match(gone, /liveness probe failed: the guest agent does not answer guest-ping; it is started again at /);
    assert.match(hung, /liveness probe failed: the guest agent has not answered guest-ping within 1s; it is started again at /);
    for (const name of names) await cluster.deleteMachine(NAMESPACE, name);
  });

  it('do not disturb a guest that is being shut down, and end with it', async () => {
    for (const name of ['web', 'well']) await cluster.deleteMachine(NAMESPACE, name);
    assert.equal((await events('web'))['LivenessFailed'], 1);
    assert.equal((await events('well'))['LivenessFailed'], undefined);
  });
});
