import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text as readText } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../src/base/process.ts';
import { silentProgress } from '../../src/base/progress.ts';
import { createAuthority, issueCertificate, type KeyPair } from '../../src/base/certificate.ts';
import { buildContainerImages } from '../../src/local/images/container-images.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { ensureExtraProgram } from '../../src/local/toolchain/toolchain.ts';
import { until } from '../env/host-runtime.ts';
import { HostMachine } from '../env/served-machine.ts';
import { ended, NodeWithServer, type RunOptions } from '../env/served-node.ts';

const binDirectory = process.env['YADO_BIN'];
const name = `yks${(process.pid % 1000).toString(36)}`;
const cacheFolder = join(tmpdir(), 'yado-test-images');

/** Clients as they are now, and as they were before WebSocket. */
const clients = { WebSocket: {}, SPDY: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' } };

describe("a node's kubelet server", { skip: binDirectory === undefined ? 'YADO_BIN names no folder with the toolchain' : false, timeout: 300_000 }, () => {
  let folder: string;
  let node: NodeWithServer;

  const text = async (args: readonly string[], options?: RunOptions): Promise<string> => {
    const { code, stdout, stderr } = await node.kubectl(args, options);
    assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr}`);
    return stdout.toString();
  };
  const error = async (args: readonly string[], options?: RunOptions): Promise<string> => {
    const { code, stderr } = await node.kubectl(args, options);
    assert.notEqual(code, 0);
    return stderr.trim();
  };
  const ask = (path: string, { certificate, token, headers = {} }: { readonly certificate?: KeyPair; readonly token?: string; readonly headers?: Readonly<Record<string, string>> } = {}): Promise<{ readonly status: number; readonly body: string }> => {
    const { promise, resolve, reject } = Promise.withResolvers<{ readonly status: number; readonly body: string }>();
    const identity = certificate === undefined ? {} : { cert: certificate.certificate, key: certificate.key };
    const bearer = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answered = (response: IncomingMessage, stream: Readable): void => void readText(stream).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    const request = https.get({ host: '127.0.0.1', port: node.port, path, ca: node.authority.certificate, agent: false, timeout: 10_000, headers: { ...headers, ...bearer }, ...identity });
    request.on('response', (response) => answered(response, response)).on('upgrade', (response, socket) => answered(response, socket)).on('error', reject);
    return promise;
  };
  const settled = (): Promise<true> => until('the end of all streams', () => node.streams.size === 0);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-server-'));
    const building = { modules: join(import.meta.dirname, '../../deploy/toolchain'), cache: defaultCacheRoot, environment: process.env, progress: silentProgress };
    const plugins = [join(binDirectory ?? '', 'loopback'), await ensureExtraProgram('bridge', building), await ensureExtraProgram('host-local', building)];
    const { path: images } = await buildContainerImages({ cacheFolder });
    const machine = await HostMachine.start(folder, { name, network: `10.186.${process.pid % 200}`, images, plugins });
    node = await NodeWithServer.start(binDirectory ?? '', folder, machine);
    await node.run('web', [
      { name: 'main', script: 'echo first; sleep 0.1; echo problem >&2; sleep 0.1; echo "übung ☃"; mkdir /srv; echo page > /srv/index.html; exec httpd -f -p 80 -h /srv', before: ['echo before; exit 3'] },
      { name: 'ticks', script: 'i=0; while :; do i=$((i+1)); echo "tick $i"; sleep 0.2; done' },
      { name: 'cat', script: 'exec cat', stdin: true },
      { name: 'shell', script: 'exec sh', stdin: true, tty: true },
      { name: 'short', script: 'echo here; sleep 4; echo there' },
    ]);
  }, { timeout: 120_000 });

  after(async () => {
    await node?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });

  it('follows a log until the container has ended', async () => {
    const begun = Date.now();
    assert.equal(await text(['logs', '-f', 'web', '-c', 'short']), 'here\nthere\n');
    console.log(`# a followed log ended ${Date.now() - begun} ms after it was asked for`);
    await node.report('web');
    assert.equal(await text(['logs', 'web', '-c', 'short', '--tail=1']), 'there\n');
  });

  it('gives logs as they are asked for', async () => {
    assert.equal(await text(['logs', 'web', '-c', 'main']), 'first\nproblem\nübung ☃\n');
    assert.equal(await text(['logs', 'web', '-c', 'main', '--previous']), 'before\n');
    assert.equal(await text(['logs', 'web', '-c', 'main', '--tail=1']), 'übung ☃\n');
    assert.equal(await text(['logs', 'web', '-c', 'main', '--tail=0']), '');
    assert.equal(await text(['logs', 'web', '-c', 'main', '--limit-bytes=7']), 'first\np');
    assert.match(await text(['logs', 'web', '-c', 'main', '--timestamps', '--tail=1']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) übung ☃\n$/);
    await until('some ticks', async () => (await text(['logs', 'web', '-c', 'ticks'])).includes('tick 12\n'));
    const recent = (await text(['logs', 'web', '-c', 'ticks', '--since=1s'])).split('\n').length;
    assert.ok(recent >= 2 && recent <= 9, `${recent} lines of the last second`);
    assert.equal(await text(['logs', 'web', '-c', 'ticks', '--since-time=2099-01-01T00:00:00Z']), '');
    const path = '/api/v1/namespaces/default/pods/web/log?container=main&stream=Stderr';
    assert.equal(await text(['get', '--raw', path]), 'problem\n');
  });

  it('follows a log over its rotation without losing or repeating a line', async () => {
    const child = node.spawn(['logs', '-f', 'web', '-c', 'ticks']);
    const done = ended(child);
    for (let round = 0; round < 3; round++) {
      await sleep(700);
      await node.rotate('ticks', `2026010${round}-000000`);
    }
    await sleep(800);
    child.kill('SIGKILL');
    const lines = (await done).stdout.toString().trim().split('\n');
    assert.ok(lines.length > 15);
    assert.deepEqual(lines, lines.map((_, index) => `tick ${index + 1}`));
  });

  it("says what is wrong in a kubelet's words", async () => {
    assert.equal(await error(['logs', 'web', '-c', 'ticks', '--previous']), 'Error from server (BadRequest): previous terminated container "ticks" in pod "web" not found');
    assert.equal(await error(['exec', 'web', '-c', 'short', '--', 'true']), 'error: Internal error occurred: unable to upgrade connection: container not found ("short")');
    assert.equal(await error(['exec', 'web', '-c', 'short', '--', 'true'], { env: clients.SPDY }), 'error: unable to upgrade connection: container not found ("short")');
    assert.match(await error(['attach', 'web', '-c', 'short']), /unable to upgrade connection: container short not found in pod web_default$/);
    assert.match(await error(['exec', 'web', '-c', 'main', '--', '/none']), /exec: "\/none": stat \/none: no such file or directory/);
    await node.create('waiting', [{ name: 'main', script: '' }]);
    assert.match(await error(['logs', 'waiting']), /^Error from server \(BadRequest\): container "main" in pod "waiting" is (waiting to start: ContainerCreating|not available)$/);
    await node.report('waiting', [{ name: 'main', ready: false, restartCount: 0, image: '', imageID: '', state: { waiting: { reason: 'ImagePullBackOff' } } }]);
    assert.equal(await error(['logs', 'waiting']), 'Error from server (BadRequest): container "main" in pod "waiting" is waiting to start: trying and failing to pull image');
    assert.match(await error(['exec', 'waiting', '--', 'true']), /unable to upgrade connection: container not found \("main"\)$/);
    assert.match(await error(['port-forward', 'waiting', ':80']), /unable to upgrade connection: pod not found \("waiting_default"\)$/);
  });

  it('lets in whom the API server knows and allows, and nobody else', async () => {
    const { api, authority, client } = node;
    const foreign = await issueCertificate(await createAuthority('another'), { commonName: 'kube-apiserver-kubelet-client', usages: ['client'] });
    const server = await issueCertificate(authority, { commonName: 'kube-apiserver-kubelet-client', usages: ['server'] });
    const nobody = await issueCertificate(authority, { commonName: 'nobody', usages: ['client'] });
    assert.deepEqual(await ask('/healthz'), { status: 401, body: 'Unauthorized' });
    for (const certificate of [foreign, server]) assert.equal((await ask('/healthz', { certificate })).status, 401);
    assert.deepEqual(await ask('/pods', { certificate: nobody }), { status: 403, body: 'Forbidden (user=nobody, verb=get, resource=nodes, subresource(s)=[pods proxy])\n' });
    assert.equal((await ask('/exec/default/web/main?command=id&output=1', { certificate: nobody, headers: upgrade })).status, 403);
    assert.equal((await ask('/exec/default/web/main?command=id&output=1', { headers: upgrade })).status, 401);
    assert.deepEqual(await ask('/healthz', { certificate: client }), { status: 200, body: 'ok' });
    assert.equal((await ask('/healthz', { token: 'none' })).status, 401);
    await api.create(scraper);
    const { status } = JSON.parse(await api.client.raw({ method: 'POST', path: '/api/v1/namespaces/default/serviceaccounts/scraper/token', body: '{"spec":{}}' })) as { readonly status: { readonly token: string } };
    await until('the right to read metrics', async () => (await ask('/metrics/resource', { token: status.token })).status === 200, 60_000);
    assert.deepEqual(await ask('/stats/summary', { token: status.token }), { status: 403, body: 'Forbidden (user=system:serviceaccount:default:scraper, verb=get, resource=nodes, subresource(s)=[stats])\n' });
  });

  it('tells of pods, and of what they use', async () => {
    const get = async (path: string): Promise<string> => {
      const { status, body } = await ask(path, { certificate: node.client });
      assert.equal(status, 200);
      return body;
    };
    const list = JSON.parse(await get('/pods')) as { readonly items: readonly { readonly metadata: { readonly name: string } }[] };
    assert.ok(list.items.some(({ metadata }) => metadata.name === 'web'));
    const summary = JSON.parse(await get('/stats/summary')) as { readonly pods: readonly { readonly podRef: object; readonly containers: readonly { readonly name: string; readonly cpu: { readonly usageCoreNanoSeconds: number } }[] }[] };
    const [web, ...others] = summary.pods;
    assert.deepEqual(others, []);
    assert.deepEqual(web?.containers.map((container) => container.name).toSorted(), ['cat', 'main', 'shell', 'ticks'], 'what has ended uses nothing');
    assert.ok(web?.containers.every(({ cpu }) => cpu.usageCoreNanoSeconds > 0));
    assert.match(await get('/metrics/resource'), /^container_memory_working_set_bytes\{container="main",namespace="default",pod="web"\} [1-9]\d* \d{13}$/m);
  });

  it('answers what it cannot do', async () => {
    const status = async (path: string, headers = {}): Promise<string> => {
      const answer = await ask(path, { certificate: node.client, headers });
      return `${answer.status} ${answer.body}`;
    };
    assert.equal(await status('/nothing'), '404 404 page not found');
    assert.equal(await status('/exec/default/web/main?command=id&output=1'), '400 Upgrade request required');
    assert.equal(await status('/exec/default/web/main?command=id', upgrade), '400 you must specify at least 1 of stdin, stdout, stderr');
    assert.equal(await status('/exec/default/none/main?command=id&output=1', upgrade), '404 pod does not exist');
    assert.equal(await status('/attach/default/web/another-uid/main?output=1', upgrade), '404 pod not found');
    assert.equal(await status('/portForward/default/web?port=x', upgrade), '400 unable to parse "x" as a port');
    assert.equal(await status('/containerLogs/default/none/main'), '404 pod "none" does not exist');
    assert.equal(await status('/containerLogs/default/web/none'), '404 container "none" not found in pod "web"');
    assert.match(await status('/containerLogs/default/web/main?tailLines=-1'), /^422 tailLines "-1" must be/);
    assert.equal(await status('/containerLogs/default/web/%'), '400 % is no part of a path');
  });

  it('speaks WebSocket to who asks it directly', async () => {
    const { body, status } = await ask('/exec/default/web/main?command=echo&command=direct&output=1&error=1', { certificate: node.client, headers: { ...upgrade, 'Sec-WebSocket-Protocol': 'v4.channel.k8s.io' } });
    assert.equal(status, 101);
    assert.match(body, /direct\n/);
    assert.match(body, /"status":"Success"/);
    await settled();
  });

  for (const [client, env] of Object.entries(clients)) {
    describe(`with ${client}`, () => {
      it('runs commands, gives them input and tells their exit codes', async () => {
        assert.equal(await text(['exec', 'web', '-c', 'main', '--', 'echo', 'a  b', '$c', '"d'], { env }), 'a  b $c "d\n');
        assert.equal(await text(['exec', '-i', 'web', '-c', 'main', '--', 'cat'], { env, input: 'hi\n' }), 'hi\n');
        const bytes = randomBytes(3 * 2 ** 20);
        assert.ok((await node.kubectl(['exec', '-i', 'web', '-c', 'main', '--', 'cat'], { env, input: bytes })).stdout.equals(bytes));
        const { code, stdout, stderr } = await node.kubectl(['exec', 'web', '-c', 'main', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'], { env });
        assert.deepEqual([code, stdout.toString(), stderr], [7, 'out\n', 'err\ncommand terminated with exit code 7\n']);
        await settled();
      });

      it('gives a terminal that has the size of the one outside', async () => {
        const terminal = await inTerminal(node, ['exec', '-it', 'web', '-c', 'main', '--', 'sh', '-c', 'while :; do stty size; sleep 0.2; done'], 'cols 101 rows 33', env);
        await until('the first size', () => terminal.shown().includes('33 101'));
        await terminal.stty('cols 77 rows 22');
        await until('the second size', () => terminal.shown().includes('22 77'));
        await terminal.type('\x03');
        assert.match(await terminal.end(), /command terminated with exit code 130/);
        await settled();
      });

      it('attaches to what runs', async () => {
        const child = node.spawn(['attach', '-i', 'web', '-c', 'cat'], env);
        const done = ended(child);
        child.stdin?.write(`to ${client}\n`);
        await until('the echo in the log', async () => (await text(['logs', 'web', '-c', 'cat'])).includes(`to ${client}\n`));
        child.kill('SIGKILL');
        assert.match((await done).stdout.toString(), new RegExp(`to ${client}\n`));
        await settled();
        const terminal = await inTerminal(node, ['attach', '-it', 'web', '-c', 'shell'], 'cols 90 rows 20', env);
        await until('the prompt', () => /#/.test(terminal.shown()));
        await terminal.type('echo $((40+2)) $(stty size)\n');
        await until('the answer', () => terminal.shown().includes('42 20 90'));
        await terminal.kill();
        await settled();
      });

      it('forwards ports', async () => {
        const child = node.spawn(['port-forward', 'web', ':80'], env);
        const port = await new Promise<string>((resolve) => child.stdout?.on('data', (piece: Buffer) => resolve(/127\.0\.0\.1:(\d+)/.exec(piece.toString())?.[1] ?? '')));
        const pages = await Promise.all(Array.from({ length: 10 }, () => run('curl', ['-s', '-m', '10', `http://127.0.0.1:${port}/`])));
        assert.deepEqual(new Set(pages), new Set(['page\n']));
        child.kill('SIGKILL');
        await settled();
      });

      it('copies files both ways', async () => {
        const bytes = randomBytes(5 * 2 ** 20);
        await writeFile(join(folder, 'up'), bytes);
        await text(['cp', join(folder, 'up'), 'default/web:/tmp/up', '-c', 'main'], { env });
        await text(['cp', 'default/web:/tmp/up', join(folder, `down-${client}`), '-c', 'main'], { env });
        assert.ok(bytes.equals(await readFile(join(folder, `down-${client}`))));
        await settled();
      });

      it('runs twenty commands at once', async () => {
        const begun = Date.now();
        const found = await Promise.all(Array.from({ length: 20 }, async (_, index) => text(['exec', '-i', 'web', '-c', 'main', '--', 'sh', '-c', 'read x; echo $x; sleep 1'], { env, input: `${index}\n` })));
        assert.deepEqual(found, Array.from({ length: 20 }, (_, index) => `${index}\n`));
        console.log(`# ${client}: twenty commands at once took ${Date.now() - begun} ms`);
        await settled();
      });

      it('lets go of everything when the client disappears', async () => {
        const clientsOf: readonly ChildProcess[] = [
          node.spawn(['logs', '-f', 'web', '-c', 'main'], env),
          node.spawn(['exec', '-i', 'web', '-c', 'main', '--', 'cat'], env),
          node.spawn(['exec', 'web', '-c', 'main', '--', 'sh', '-c', 'for i in $(seq 100); do echo more; sleep 0.1; done'], env),
          node.spawn(['attach', 'web', '-c', 'ticks'], env),
        ];
        for (const child of clientsOf) child.stdout?.resume();
        await until('the streams', () => node.streams.size === 3);
        await sleep(500);
        for (const child of clientsOf) child.kill('SIGKILL');
        await settled();
        await until('nobody looking at logs', async () => {
          const before = node.looks;
          await sleep(1500);
          return node.looks === before;
        });
        // A command that reads nothing runs on to its end, as on any node: the CRI has no call for it.
        await until('the end of what waits for input', async () => !/ cat|^cat/m.test(await processesIn(node)));
      });
    });
  }

  it('ends its connections when it ends', async () => {
    const children = [node.spawn(['logs', '-f', 'web', '-c', 'ticks']), node.spawn(['exec', '-i', 'web', '-c', 'main', '--', 'cat'])];
    const done = Promise.all(children.map(ended));
    await until('the streams', () => node.streams.size === 1);
    await sleep(500);
    const begun = Date.now();
    await node.server[Symbol.asyncDispose]();
    assert.ok(Date.now() - begun < 1000);
    await done;
    await settled();
    await assert.rejects(ask('/healthz'), /ECONNREFUSED/);
  });
});

const upgrade = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' };
const scraper = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: scraper, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: scraper}
rules: [{apiGroups: [''], resources: [nodes/metrics], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: scraper}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: scraper}
subjects: [{kind: ServiceAccount, name: scraper, namespace: default}]
`;

/** Commands that run in the container `main`. */
async function processesIn(node: NodeWithServer): Promise<string> {
  const main = (await node.cri.listContainers()).find(({ metadata, state }) => metadata.name === 'main' && state === 'RUNNING');
  return (await node.cri.execSync(main?.id ?? '', ['ps', '-o', 'args'], 10)).stdout.toString();
}

interface Terminal {
  shown(): string;
  type(keys: string): Promise<void>;
  stty(settings: string): Promise<void>;
  /** All that it has shown, once the command has ended. */
  end(): Promise<string>;
  kill(): Promise<void>;
}

/** Runs kubectl in a terminal of its own. */
async function inTerminal(node: NodeWithServer, args: readonly string[], size: string, env: Readonly<Record<string, string>>): Promise<Terminal> {
  const child = node.inTerminal(args, size, env);
  let shown = '';
  child.stdout?.on('data', (piece: Buffer) => void (shown += piece.toString()));
  const done = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const device = await until('the terminal', () => /(\/dev\/pts\/\d+)/.exec(shown)?.[1]);
  return {
    shown: () => shown,
    type: async (keys) => void child.stdin?.write(keys),
    stty: async (settings) => void await run('stty', ['-F', device, ...settings.split(' ')]),
    async end() {
      await done;
      return shown;
    },
    async kill() {
      child.kill('SIGKILL');
      await done;
    },
  };
}
