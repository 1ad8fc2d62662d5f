import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import { parse, stringify } from 'yaml';
import { run } from '../../src/base/process.ts';
import { virtualMachines } from '../../src/kube/yadokari.ts';
import { startTestCluster, tinyImage, tinyMachine, type TestCluster } from '../env/cluster.ts';

const yado = join(import.meta.dirname, '../../src/bin/yado.ts');
const BIG_BYTES = 4 * 2 ** 20;
const NAMESPACE = 'default';
/** Guests may be emulated, on a busy host. */
const PATIENCE_MS = 90_000;

interface Config {
  readonly users: readonly unknown[];
}

describe('the figures of guests that the chart runs', { timeout: 600_000 }, () => {
  let cluster: TestCluster;

  /** As on any cluster: where nothing is known of a local one, agents are asked through the API server. */
  const top = (kubeconfig: string, ...args: readonly string[]) => run(process.execPath, [yado, 'top', ...args, '--kubeconfig', kubeconfig, '--state-root', join(cluster.folder, 'nothing')], { timeoutMs: 30_000 });
  const figure = async (name: string, of: string): Promise<number> => {
    const page = await (await fetch(`http://${cluster.status.nodes[0]?.address ?? ''}:9402/metrics`, { signal: AbortSignal.timeout(5000) })).text();
    return Number(new RegExp(`^${name}\\{namespace="${NAMESPACE}",virtual_machine="${of}",pod="${of}-[a-z0-9]+",node="n1"\\} (\\S+)$`, 'm').exec(page)?.[1] ?? Number.NaN);
  };
  const millicoresOf = async (name: string) => Number(new RegExp(`^${name} +(\\d+)m `, 'm').exec(await top(cluster.status.kubeconfig))?.[1]);

  before(async () => {
    cluster = await startTestCluster({ name: 'top', nodes: 1, chart: true });
    const serve = `#!/bin/sh\nmkdir -p /www && echo here > /www/index.html && dd if=/dev/zero of=/www/big bs=${BIG_BYTES} count=1 && httpd -p 0.0.0.0:80 -h /www\n`;
    const probes = { readiness: { httpGet: { port: 80 } } };
    await cluster.apply(NAMESPACE, tinyImage + tinyMachine('calm', { cloudInit: { userData: serve }, probes }) + tinyMachine('busy', { cloudInit: { userData: '#!/bin/sh\n(while :; do :; done) &\n' } }));
    await Promise.all(['calm', 'busy'].map((name) => cluster.vmThat(NAMESPACE, name, 'is ready', ({ status }) => status?.ready === true, PATIENCE_MS)));
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  it('show what each machine uses', async () => {
    await cluster.eventually('the busy machine is busy', async () => (await millicoresOf('busy')) > 300, PATIENCE_MS, NAMESPACE);
    await cluster.eventually('the calm machine is calm', async () => (await millicoresOf('calm')) < 200, PATIENCE_MS, NAMESPACE);
    // The one processor that it may use, and what a second's reading may be off.
    assert.ok((await millicoresOf('busy')) < 1200);
    const [resident, limit] = await Promise.all([figure('yadokari_guest_memory_resident_bytes', 'calm'), figure('yadokari_guest_memory_limit_bytes', 'calm')]);
    assert.ok(resident > 50 * 2 ** 20 && resident <= limit && limit < 300 * 2 ** 20, `${resident} of ${limit}`);
  });

  it('count what a machine sends, and what it receives', async () => {
    const sent = await figure('yadokari_guest_network_sent_bytes_total', 'calm');
    const received = await figure('yadokari_guest_network_received_bytes_total', 'calm');
    const big = await fetch(`http://${(await cluster.vm(NAMESPACE, 'calm')).status?.guest?.address ?? ''}/big`, { signal: AbortSignal.timeout(30_000) });
    assert.equal((await big.arrayBuffer()).byteLength, BIG_BYTES);
    await delay(1000);
    assert.ok((await figure('yadokari_guest_network_sent_bytes_total', 'calm')) - sent > BIG_BYTES);
    assert.ok((await figure('yadokari_guest_network_received_bytes_total', 'calm')) - received < BIG_BYTES / 4);
  });

  it('are for those who may ask the agents, and others learn what right they lack', async () => {
    await cluster.kubectl('create', 'serviceaccount', 'viewer', '-n', NAMESPACE);
    const token = (await cluster.kubectl('create', 'token', 'viewer', '-n', NAMESPACE)).trim();
    const admin = parse(await cluster.kubectl('config', 'view', '--raw')) as Config;
    const kubeconfig = join(cluster.folder, 'viewer.kubeconfig');
    await writeFile(kubeconfig, stringify({ ...admin, users: admin.users.map((user) => ({ ...(user as object), user: { token } })) }));
    await assert.rejects(top(kubeconfig), /the right to list pods and get pods\/proxy in namespace yadokari-system/);
    await cluster.kubectl('create', 'role', 'figures', '-n', 'yadokari-system', '--verb=get,list', '--resource=pods,pods/proxy');
    await cluster.kubectl('create', 'rolebinding', 'figures', '-n', 'yadokari-system', '--role=figures', `--serviceaccount=${NAMESPACE}:viewer`);
    await cluster.eventually('the right is known', async () => /^calm /m.test(await top(kubeconfig)), PATIENCE_MS);
  });

  it('are none of a machine that does not run', async () => {
    await cluster.client.patch(virtualMachines, { name: 'busy', namespace: NAMESPACE }, { spec: { runStrategy: 'Halted' } });
    await cluster.vmThat(NAMESPACE, 'busy', 'is stopped', ({ status }) => status?.printableStatus === 'Stopped');
    await assert.rejects(top(cluster.status.kubeconfig, 'busy'), /no figures of busy: it is Stopped/);
    assert.doesNotMatch(await top(cluster.status.kubeconfig), /busy/);
    assert.equal(await figure('yadokari_guest_cpu_seconds_total', 'busy'), Number.NaN);
  });
});
