import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { run } from '../../src/base/process.ts';
import type { ClusterStatus } from '../../src/local/cluster.ts';
import { clusterLayout, type ClusterLayout } from '../../src/local/layout.ts';
import { networkPlan, type NetworkPlan } from '../../src/local/network-plan.ts';
import { readRecord } from '../../src/local/record.ts';
import { tracesOf } from '../env/leftovers.ts';

const yado = join(import.meta.dirname, '../../src/bin/yado.ts');
const name = `e2e-${process.pid}`;
/** Ready binaries make the test independent of the toolchain's cache. */
const ready = process.env['YADO_BINARIES'];

describe('a local cluster', { timeout: 900_000 }, () => {
  let folder = '';
  let layout: ClusterLayout;
  let plan: NetworkPlan;
  let environment: NodeJS.ProcessEnv = {};

  const command = (...args: readonly string[]) => run(process.execPath, [yado, ...args, '--name', name, '--state-root', folder], { env: environment, timeoutMs: 800_000 });
  const upArguments = () => ['up', ...(ready === undefined ? [] : ['--binaries', ready, '--cache', join(folder, 'cache')])];
  const up = (...args: readonly string[]) => command(...upArguments(), ...args);
  const kubectl = async (...args: readonly string[]) => run(join((await readRecord(layout))?.binaries ?? '', 'kubectl'), ['--context', `yadokari-${name}`, ...args], { env: environment });
  const status = async () => JSON.parse(await command('status', '--json')) as ClusterStatus;
  const readyNodes = async () => (await kubectl('get', 'nodes', '-o', 'jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}')).trim();
  const until = async (what: string, condition: () => Promise<boolean>) => {
    for (const deadline = Date.now() + 60_000; Date.now() < deadline; await delay(200)) if (await condition().catch(() => false)) return;
    assert.fail(`${what} did not come true within a minute`);
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-'));
    environment = { ...process.env, KUBECONFIG: join(folder, 'kubeconfig') };
    layout = clusterLayout(folder, name);
  });
  after(async () => {
    await command('down', '--delete').catch(() => {});
    await rm(folder, { recursive: true, force: true });
  });

  it('has all its nodes Ready when up returns, and is current in the kubeconfig', async () => {
    await up('--nodes', '2');
    plan = networkPlan((await readRecord(layout))?.index ?? -1);
    assert.equal(await readyNodes(), 'n1=True n2=True');
    assert.equal((parse(await readFile(join(folder, 'kubeconfig'), 'utf8')) as { readonly 'current-context': string })['current-context'], `yadokari-${name}`);
    assert.ok((await tracesOf(plan, layout)).length > 10);
  });

  it('stays as it is when up is repeated', async () => {
    const { supervisorPid } = await status();
    await up();
    assert.equal((await status()).supervisorPid, supervisorPid);
  });

  it('answers DNS on the host', async () => {
    const resolver = new Resolver({ timeout: 1000, tries: 3 });
    resolver.setServers([plan.gateway]);
    await until('DNS', async () => (await resolver.resolve4('kubernetes.default.svc.cluster.local'))[0] === plan.kubernetesAddress);
    assert.deepEqual(await resolver.resolve4('kube-dns.kube-system.svc.cluster.local'), [plan.dnsAddress]);
  });

  it('lets nobody in without a certificate, and kubelets serve the API server alone', async () => {
    const anonymous = await fetchStatus(`https://${plan.gateway}:6443/api/v1/secrets`);
    assert.ok(anonymous === 401 || anonymous === 403);
    assert.equal(await fetchStatus(`https://${plan.gateway.replace(/1$/, '11')}:10250/pods`), 401);
    assert.match(await kubectl('get', '--raw', '/api/v1/nodes/n1/proxy/configz'), /cgroupfs/);
  });

  it('has nodes with a host of their own', async () => {
    const { nodes } = await status();
    const pids = nodes.map(({ initPid }) => initPid ?? 0);
    const links = await Promise.all(pids.flatMap((pid) => ['net', 'mnt', 'uts', 'pid', 'cgroup'].map((kind) => run('readlink', [`/proc/${pid}/ns/${kind}`]))));
    assert.equal(new Set(links).size, 10);
    for (const pid of pids) for (const socket of ['containerd/containerd.sock', 'libvirt/libvirt-sock']) assert.ok(existsSync(`/proc/${pid}/root/run/${socket}`), socket);
  });

  it('mounts nothing upon files of the host, which may replace them at any time', async () => {
    for (const { initPid = 0 } of (await status()).nodes) {
      const root = `/proc/${initPid}/root`;
      const targets = (await readFile(`/proc/${initPid}/mounts`, 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '').filter((path) => path.startsWith('/etc'));
      assert.ok(targets.includes('/etc'));
      for (const target of targets) assert.ok((await stat(root + target)).isDirectory(), target);
      assert.match(await readFile(`${root}/etc/passwd`, 'utf8'), /^libvirt-qemu:/m);
    }
  });

  it('starts a component again that was killed', async () => {
    for (const component of ['n1/kubelet', 'kube-scheduler']) {
      const find = async () => { const { components, nodes } = await status(); return [...components, ...nodes.flatMap((node) => node.components)].find((candidate) => candidate.name === component); };
      const pid = (await find())?.pid ?? 0;
      process.kill(pid, 'SIGKILL');
      await until(`${component} running again`, async () => { const found = await find(); return found?.state === 'running' && found.pid !== undefined && found.pid !== pid; });
    }
  });

  it('notices that a node has crashed, and takes it back', async () => {
    await command('node', 'crash', 'n2');
    assert.equal((await status()).nodes[1]?.state, 'crashed');
    await until('n2 not Ready', async () => (await readyNodes()) !== 'n1=True n2=True');
    await command('node', 'start', 'n2');
    assert.equal(await readyNodes(), 'n1=True n2=True');
  });

  it('treats a PID 1 that is killed from outside as a crash', async () => {
    process.kill((await status()).nodes[1]?.initPid ?? 0, 'SIGKILL');
    await until('n2 crashed', async () => (await status()).nodes[1]?.state === 'crashed');
    await command('node', 'start', 'n2');
    assert.equal(await readyNodes(), 'n1=True n2=True');
  });

  it('keeps its state over down and up, and leaves nothing running in between', async () => {
    await kubectl('create', 'configmap', 'kept', '--from-literal=a=b');
    await command('down');
    assert.deepEqual(await tracesOf(plan, layout), []);
    await up();
    assert.match(await kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}'), /^b$/);
    assert.equal(await readyNodes(), 'n1=True n2=True');
  });

  it('touches nothing of another cluster that took its subnet while it was down', async () => {
    await command('down');
    const namespace = `${plan.bridge}-n1`;
    await run('ip', ['link', 'add', plan.bridge, 'type', 'bridge']);
    await run('ip', ['link', 'set', plan.bridge, 'alias', join(folder, 'another')]);
    await run('ip', ['netns', 'add', namespace]);
    try {
      await assert.rejects(up(), new RegExp(`was made with ${plan.subnet}, but the host now has a link named ${plan.bridge}`));
      await command('down');
      await run('ip', ['link', 'show', plan.bridge]);
      assert.ok(existsSync(`/run/netns/${namespace}`));
    } finally {
      await run('ip', ['netns', 'del', namespace]);
      await run('ip', ['link', 'del', plan.bridge]);
    }
    await up();
    assert.equal(await readyNodes(), 'n1=True n2=True');
  });

  it('dies with its supervisor, and recovers from that', async () => {
    process.kill((await status()).supervisorPid, 'SIGKILL');
    await until('all processes gone', async () => (await tracesOf(plan, layout)).every((trace) => !trace.includes('--')));
    await up();
    assert.equal(await readyNodes(), 'n1=True n2=True');
    assert.match(await kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}'), /^b$/);
  });

  it('leaves nothing behind when it is deleted', async () => {
    await command('down', '--delete');
    assert.deepEqual(await tracesOf(plan, layout), []);
    assert.ok(!existsSync(layout.root));
    assert.doesNotMatch(await readFile(join(folder, 'kubeconfig'), 'utf8'), new RegExp(name));
  });

  it('that is tied goes with the process that it is tied to, even when that is killed', async () => {
    const holder = spawn(process.execPath, [yado, ...upArguments(), '--tied', '--name', name, '--state-root', folder], { env: environment, stdio: 'ignore' });
    await until('the tied cluster ready', async () => (await status()).ready && (await readFile(join(folder, 'kubeconfig'), 'utf8')).includes(name));
    await delay(500);
    plan = networkPlan((await readRecord(layout))?.index ?? -1);
    holder.kill('SIGKILL');
    await until('nothing left', async () => (await tracesOf(plan, layout)).length === 0 && !existsSync(layout.root));
  });
});

/** Status of a GET without a client certificate; the server's own is not looked at. */
async function fetchStatus(url: string): Promise<number> {
  const { request } = await import('node:https');
  return new Promise((resolve, reject) => {
    request(url, { rejectUnauthorized: false, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on('error', reject).end();
  });
}
