import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import { CommandError, run } from '../../src/base/process.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { secrets } from '../../src/kube/core.ts';
import { HttpTransport, loadKubeconfig } from '../../src/kube/transport.ts';
import { virtualMachines, type VirtualMachine } from '../../src/kube/yadokari.ts';
import type { ClusterStatus } from '../../src/local/cluster.ts';
import { tied } from '../env/tied.ts';

const root = join(import.meta.dirname, '../..');
const yado = join(root, 'src/bin/yado.ts');
const name = `cmd-${process.pid}`;
/** Ready binaries make the test independent of the toolchain's cache. */
const ready = process.env['YADO_BINARIES'];
const password = 'correct-horse-battery-staple';
const ref = { name: 'hello', namespace: 'default' };

describe('the commands on a cluster', { timeout: 900_000 }, () => {
  let folder = '';
  let kubeconfig = '';
  let environment: NodeJS.ProcessEnv = {};
  let held: ChildProcess | undefined;
  let output = '';
  let client: KubeClient;

  const place = () => ['--state-root', folder];
  const command = (args: readonly string[], input = '') => run(process.execPath, [yado, ...args], { env: environment, cwd: folder, input, timeoutMs: 300_000 });
  const up = (...more: readonly string[]) => ['up', '--name', name, ...place(), '--kubeconfig', kubeconfig, '--manifests', join(folder, 'more'), ...(ready === undefined ? [] : ['--binaries', ready]), ...more];
  const vm = () => client.get(virtualMachines, ref);
  const status = async () => JSON.parse(await command(['status', '--json', '--name', name, ...place()])) as ClusterStatus;
  const until = async (what: string, condition: (machine: VirtualMachine) => boolean): Promise<VirtualMachine> => {
    let last: VirtualMachine | undefined;
    for (const deadline = Date.now() + 120_000; Date.now() < deadline; await delay(200)) {
      last = await vm();
      if (condition(last)) return last;
    }
    assert.fail(`${what} did not come true within two minutes: ${JSON.stringify(last?.status)}`);
  };
  const running = ({ status: found }: VirtualMachine) => found?.printableStatus === 'Running' && found.ready === true;
  const startOf = ({ status: found }: VirtualMachine) => found?.guest?.startedAt;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-'));
    kubeconfig = join(folder, 'kubeconfig');
    environment = { ...process.env, KUBECONFIG: kubeconfig };
    await mkdir(join(folder, 'more'));
    await writeFile(join(folder, 'more/one.yaml'), 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: default}\n');
    const child = spawn('setpriv', [...tied, yado, ...up('--tied')], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    held = child;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => void (output += chunk.toString()));
    // It says so as the last thing of all; builds may come before.
    while (!output.includes('kubectl uses it now')) {
      assert.equal(child.exitCode, null, output);
      await delay(100);
    }
    client = new KubeClient(new HttpTransport(loadKubeconfig({ kubeconfig })));
    const kubectl = join(ready ?? (JSON.parse(await readFile(join(folder, name, 'cluster.json'), 'utf8')) as { readonly binaries: string }).binaries, 'kubectl');
    await run(kubectl, ['apply', '-f', join(root, 'deploy/examples/hello.yaml')], { env: environment });
    await client.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'mine', namespace: 'default' }, data: { password: Buffer.from(password).toString('base64') } });
    await until('the machine', running);
  });
  after(async () => {
    client?.close();
    if (held !== undefined && held.exitCode === null) {
      const ended = new Promise((resolve) => held?.once('exit', resolve));
      held.kill('SIGINT');
      await ended;
    }
    await rm(folder, { recursive: true, force: true });
  });

  it('stops a machine and keeps it stopped, and starts it again', async () => {
    assert.equal((await command(['stop', 'hello', ...place()])).trim(), 'hello stops');
    await until('the stop', ({ status: found }) => found?.printableStatus === 'Stopped');
    assert.equal((await vm()).spec.runStrategy, 'Halted');
    assert.match(await command(['stop', 'hello', ...place()]), /stopped already/);
    await assert.rejects(command(['restart', 'hello', ...place()]), /yado start hello/);
    await assert.rejects(command(['console', 'hello', ...place()]), /hello/);
    await command(['start', 'hello', ...place()]);
    await until('the start', running);
    assert.equal((await vm()).spec.runStrategy, 'Always');
  });

  it('restarts a machine', async () => {
    const before = startOf(await vm());
    await command(['restart', 'hello', '--name', name, ...place()]);
    const later = await until('the restart', (machine) => running(machine) && startOf(machine) !== before);
    assert.equal(later.status?.restartedAt, later.metadata.annotations?.['yadokari.dev/restarted-at']);
  });

  it('names the machine that was meant', async () => {
    await assert.rejects(command(['start', 'helo', ...place()]), /no virtual machine helo in namespace default; did you mean hello\?/);
    await assert.rejects(command(['start', 'hello', '-n', 'kube-system', ...place()]), /add -n default/);
  });

  it('carries a conversation with the shell on the serial console', async () => {
    assert.match(await command(['console', 'hello', ...place()], '\necho $((6*7))\n'), /^42\r?$/m);
  });

  it('shows what machines use', async () => {
    const [heading = '', line = ''] = (await command(['top', ...place()])).trim().split('\n');
    assert.match(heading, /^NAME +CPU\(cores\) +MEMORY\(bytes\) +NODE$/);
    const [, millicores, mebibytes] = /^hello +(\d+)m +(\d+)Mi +n1$/.exec(line)?.map(Number) ?? assert.fail(line);
    assert.ok(millicores !== undefined && millicores > 0 && millicores < 1500, line);
    assert.ok(mebibytes !== undefined && mebibytes > 50 && mebibytes < 500, line);
    assert.match(await command(['top', 'hello', '-n', 'default', '--name', name, ...place()]), /^hello /m);
    assert.match(await command(['top', '-A', ...place()]), /^NAMESPACE .*\ndefault +hello /);
    assert.equal(await command(['top', '-n', 'kube-system', ...place()]), '');
    await assert.rejects(command(['top', 'helo', ...place()]), /no virtual machine helo in namespace default; did you mean hello\?/);
    await assert.rejects(command(['top', 'hello', '-A', ...place()]), /leave out -A or the name/);
  });

  it('finds this host fit for root, and for nobody else', async () => {
    const findings = JSON.parse(await command(['doctor', '--json', ...place()])) as { readonly fit: boolean; readonly findings: readonly { readonly subject: string; readonly found: string }[] };
    assert.equal(findings.fit, true);
    assert.match(findings.findings.find(({ subject }) => subject === 'clusters')?.found ?? '', new RegExp(`${name} runs`));
    // A user who is not root cannot bring a cluster up.
    const error = await run('setpriv', ['--reuid', '65534', '--clear-groups', process.execPath, yado, 'doctor', ...place()], { env: environment, cwd: '/', timeoutMs: 60_000 }).then(() => undefined, (cause: unknown) => cause);
    assert.ok(error instanceof CommandError);
    assert.equal(error.exitCode, 1);
  });

  it('dumps what is needed to find a fault, and no secret', async () => {
    const archive = join(folder, 'dump.tar.gz');
    assert.equal((await command(['debug', 'dump', '--output', archive, ...place()])).trim(), archive);
    await mkdir(join(folder, 'dump'));
    await run('tar', ['-xzf', archive, '--strip-components=1', '-C', join(folder, 'dump')]);
    const files = (await readdir(join(folder, 'dump'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    const texts = new Map(await Promise.all(files.map(async (file) => [join(file.parentPath, file.name).slice(join(folder, 'dump').length + 1), await readFile(join(file.parentPath, file.name), 'utf8')] as const)));
    const contents: Readonly<Record<string, RegExp>> = {
      'objects/virtualmachines.yadokari.dev.yaml': /name: hello/,
      'objects/pods.yaml': /yadokari\.dev\/virtual-machine: hello/,
      'objects/events.yaml': /kind: Event/,
      'objects/ippools.crd.projectcalico.org.yaml': /cidr:/,
      'logs/kube-apiserver.log': /./,
      'logs/n1/agent.log': /./,
      'logs/operator.log': /./,
      'nodes/n1/virsh-list.txt': /hello +running/,
      'nodes/n1/nft.txt': /table/,
      'nodes/n1/routes.txt': /default via/,
      'nodes/n1/addresses.txt': /inet /,
      'nodes/n1/bird.conf.txt': /protocol bgp/,
      'versions.json': /"kubernetes": "1\./,
      'status.txt': /n1\/kubelet +running/,
    };
    for (const [file, pattern] of Object.entries(contents)) assert.match(texts.get(file) ?? `no ${file}`, pattern, file);
    assert.equal(texts.get('problems.txt'), '');
    for (const [file, text] of texts) {
      for (const secret of [password, Buffer.from(password).toString('base64'), 'PRIVATE KEY', 'client-key-data', 'kind: Secret', 'httpd -p 0.0.0.0:80']) assert.equal(text.includes(secret), false, `${file} has ${secret}`);
    }
  });

  it('applies changed manifests when up is repeated, and restarts only what has another program', async () => {
    const before = await status();
    await writeFile(join(folder, 'more/two.yaml'), 'apiVersion: v1\nkind: Namespace\nmetadata: {name: two}\n');
    const programOf = (program: string) => join(folder, name, `programs/yado-${program}.mjs`);
    const operator = await readFile(programOf('operator'), 'utf8');
    // As if the running agent had come from other sources.
    await appendFile(programOf('agent'), '\n// older\n');
    const start = startOf(await vm());
    await command(up());
    await client.raw({ method: 'GET', path: '/api/v1/namespaces/two' });
    const later = await status();
    const pidOf = (of: ClusterStatus, component: string) => [...of.components, ...of.nodes.flatMap(({ components }) => components)].find((candidate) => candidate.name === component)?.pid;
    assert.equal((await readFile(programOf('agent'), 'utf8')).endsWith('// older\n'), false);
    assert.notEqual(pidOf(later, 'n1/agent'), pidOf(before, 'n1/agent'));
    for (const component of ['kube-apiserver', 'n1/libvirtd']) assert.equal(pidOf(later, component), pidOf(before, component), component);
    // Somebody may edit the sources while this runs.
    assert.equal(pidOf(later, 'operator') === pidOf(before, 'operator'), (await readFile(programOf('operator'), 'utf8')) === operator);
    assert.equal(startOf(await until('the machine', running)), start);
  });

  it('calls itself by the name that it was called by', async () => {
    for (const link of ['yado', 'kubectl-yado']) await symlink(yado, join(folder, link));
    assert.match(await run(join(folder, 'yado'), ['--help'], { env: environment }), /^Usage: yado /);
    assert.match(await run(join(folder, 'kubectl-yado'), ['start', '--help'], { env: environment }), /^Usage: kubectl yado start /);
  });

  it('prints versions of itself and of the cluster', async () => {
    const versions = JSON.parse(await command(['version', '--json', ...place()])) as Readonly<Record<string, string>>;
    assert.match(versions['kubernetes'] ?? '', /^1\.34\./);
    assert.equal(versions['yado'], (JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { readonly version: string }).version);
  });
});
