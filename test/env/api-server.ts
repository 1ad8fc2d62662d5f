import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { isAlreadyExists } from '../../src/kube/api-error.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { defineResource, type KubeObject, type Resource } from '../../src/kube/object.ts';
import { HttpTransport, loadKubeconfig } from '../../src/kube/transport.ts';
import { ownFolder } from './own-folder.ts';
import { tiedProgram } from './tied.ts';

export interface ApiServerOptions {
  /** Folder with the programs `etcd` and `kube-apiserver`. */
  readonly binDirectory: string;
  /** YAML files that are created once the server answers, in this order; CRDs are waited for. */
  readonly manifests?: readonly string[];
  /** What replaces `${NAME}` in the manifests. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Address that the server listens on. Default 127.0.0.1. */
  readonly address?: string;
  /** Further arguments of kube-apiserver. */
  readonly arguments?: readonly string[];
}

export interface ApiServer extends AsyncDisposable {
  readonly kubeconfigPath: string;
  /** A client with all rights. */
  readonly client: KubeClient;
  /** Ends kube-apiserver with SIGKILL and starts it again on the same port; etcd stays. */
  restart(): Promise<void>;
  /** Ends kube-apiserver with SIGKILL: calls fail until `restart`. */
  stop(): Promise<void>;
  /** Creates every object of the YAML text, waiting for CRDs to be served. Existing ones are left alone. */
  create(yaml: string): Promise<void>;
}

/** A real etcd and kube-apiserver on free ports of this machine, with a folder of their own that goes with them; they end with this process, however that ends. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const folder = await ownFolder('yado-api-');
  const address = options.address ?? '127.0.0.1';
  const [clients, peers, port] = await Promise.all([freePort(), freePort(), freePort(address)]);
  const token = randomBytes(16).toString('hex');
  const kubeconfigPath = join(folder, 'kubeconfig');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await writeFile(join(folder, 'service-accounts.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(join(folder, 'tokens.csv'), `${token},admin,admin,"system:masters"\n`);
  await writeFile(kubeconfigPath, JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server: `https://${address}:${port}`, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    'current-context': 'test',
  }));

  const start = (program: string, args: readonly string[]): ChildProcess => {
    const output = openSync(join(folder, `${program}.log`), 'a');
    const child = spawn('setpriv', [...tiedProgram, join(options.binDirectory, program), ...args], { stdio: ['ignore', output, output] });
    closeSync(output);
    return child;
  };
  const etcd = start('etcd', [
    `--data-dir=${join(folder, 'etcd')}`,
    '--unsafe-no-fsync',
    `--listen-client-urls=http://127.0.0.1:${clients}`,
    `--advertise-client-urls=http://127.0.0.1:${clients}`,
    `--listen-peer-urls=http://127.0.0.1:${peers}`,
    '--log-level=error',
  ]);
  const startServer = (): ChildProcess => start('kube-apiserver', [
    `--etcd-servers=http://127.0.0.1:${clients}`,
    `--secure-port=${port}`,
    `--bind-address=${address}`,
    `--advertise-address=${address === '127.0.0.1' ? '10.255.255.1' : address}`,
    '--endpoint-reconciler-type=none',
    `--cert-dir=${join(folder, 'certificates')}`,
    '--service-cluster-ip-range=10.98.0.0/16',
    '--service-account-issuer=https://test',
    `--service-account-signing-key-file=${join(folder, 'service-accounts.key')}`,
    `--service-account-key-file=${join(folder, 'service-accounts.key')}`,
    `--token-auth-file=${join(folder, 'tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--disable-admission-plugins=ServiceAccount',
    '--allow-privileged=true',
    ...(options.arguments ?? []),
  ]);
  let server = startServer();
  const client = new KubeClient(new HttpTransport(loadKubeconfig({ kubeconfig: kubeconfigPath })));
  const whole: ApiServer = {
    kubeconfigPath,
    client,
    create: (text) => createAll(client, text),
    stop: () => end(server),
    async restart() {
      await end(server);
      server = startServer();
      await answers(client, server, folder);
    },
    async [Symbol.asyncDispose]() {
      client.close();
      await Promise.all([end(server), end(etcd)]);
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await answers(client, server, folder);
    for (const file of options.manifests ?? []) {
      await whole.create(substitute(await readFile(file, 'utf8'), options.variables ?? {}));
    }
    return whole;
  } catch (error) {
    await whole[Symbol.asyncDispose]();
    throw error;
  }
}

function substitute(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{([A-Z_]+)\}/g, (all, name: string) => variables[name] ?? all);
}

async function answers(client: KubeClient, server: ChildProcess, folder: string): Promise<void> {
  const end = Date.now() + 60_000;
  for (;;) {
    const answer = await client.raw({ method: 'GET', path: '/readyz', accept: '*/*' }).catch(() => '');
    if (answer === 'ok') return;
    if (server.exitCode !== null || Date.now() > end) {
      const log = await readFile(join(folder, 'kube-apiserver.log'), 'utf8').catch(() => '');
      throw new Error(`kube-apiserver did not come up:\n${log.slice(-3000)}`);
    }
    await delay(100);
  }
}

interface Discovery {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

async function createAll(client: KubeClient, text: string): Promise<void> {
  const objects = parseAllDocuments(text).map((document) => document.toJS() as KubeObject | null).filter((object) => object !== null);
  const served = new Map<string, Discovery>();
  // All definitions first: the server establishes them side by side.
  const definitions = objects.filter((object) => object.kind === 'CustomResourceDefinition');
  await Promise.all(definitions.map((object) => create(client, crds, object)));
  await Promise.all(definitions.map((object) => established(client, object.metadata.name)));
  for (const object of objects.filter((other) => other.kind !== 'CustomResourceDefinition')) {
    await create(client, await resourceOf(client, object, served), object);
  }
}

const crds = defineResource('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', false);

async function create(client: KubeClient, resource: Resource, object: KubeObject): Promise<void> {
  try {
    await client.create(resource, object);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

async function established(client: KubeClient, name: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const crd = await client.get(crds, { name }) as KubeObject & { readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] } };
    if (crd.status?.conditions?.some((condition) => condition.type === 'Established' && condition.status === 'True') === true) return;
    await delay(50);
  }
  throw new Error(`${name} was not established`);
}

/** A definition counts as established a moment before its paths answer, so discovery is asked until it lists the kind. */
async function resourceOf(client: KubeClient, object: KubeObject, served: Map<string, Discovery>): Promise<Resource> {
  const { apiVersion, kind } = object;
  for (let tries = 0; tries < 100; tries++) {
    const path = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const known = served.get(apiVersion) ?? (JSON.parse(await client.raw({ method: 'GET', path }).catch(() => '{"resources":[]}')) as Discovery);
    const found = known.resources.find((resource) => resource.kind === kind && !resource.name.includes('/'));
    if (found !== undefined) {
      served.set(apiVersion, known);
      return defineResource(apiVersion, kind, found.name, found.namespaced);
    }
    served.delete(apiVersion);
    await delay(100);
  }
  throw new Error(`the API server does not serve ${apiVersion} ${kind}`);
}

async function freePort(address = '127.0.0.1'): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const server = createServer().on('error', reject).listen(0, address, resolve);
  await promise;
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
