import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../src/base/clock.ts';
import { messageOf } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { EventRecorder } from '../../src/kube/event-recorder.ts';
import { Manager } from '../../src/kube/manager.ts';
import { defineResource, type KubeObject } from '../../src/kube/object.ts';
import { HttpTransport, loadKubeconfig } from '../../src/kube/transport.ts';
import { openStackTenants } from '../../src/kube/yadokari.ts';
import { createControllers } from '../../src/operator/controllers.ts';
import type { ConnectCloud } from '../../src/operator/open-stack-tenant/cloud-access.ts';
import { startApiServer, type ApiServer } from './api-server.ts';
import { CloudSyncs } from './cloud-syncs.ts';

export interface MirrorOperatorOptions {
  /** Folder with the programs `etcd` and `kube-apiserver`. */
  readonly binDirectory: string;
  /** How many times as fast as it is the operator's clock goes. Default 1. */
  readonly speed?: number;
  /** The way to clouds. Default: to real ones, with their syncs counted. */
  readonly connect?: ConnectCloud;
}

type Look<T> = () => Promise<T | undefined | false>;

const root = join(import.meta.dirname, '../..');
const MANIFESTS = [
  ...['calico-crds', 'rbac'].map((name) => join(root, `deploy/manifests/${name}.yaml`)),
  ...['virtualmachines', 'pods', 'virtualmachineimages', 'instancetypes', 'storagebackends', 'openstacktenants', 'openstackmigrations'].map((plural) => join(root, `crds/yadokari.dev_${plural}.yaml`)),
];
const ROLES = ['yadokari-operator', 'yadokari-operator-openstack', 'yadokari-operator-secrets'];
const LOOK_MS = 100;
const clusterRoleBindings = defineResource('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', 'clusterrolebindings', false);

/** A kube-apiserver, and the operator in this process, with the rights that it has in a local cluster. */
export class MirrorOperator implements AsyncDisposable {
  readonly syncs = new CloudSyncs();
  /** Requests of the operator to the API server that change something, such as `create Secret`, without its events. */
  readonly writes: string[] = [];
  /** The operator's. */
  readonly clock: Clock;
  readonly #api: ApiServer;
  readonly #connect: ConnectCloud;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  private constructor(api: ApiServer, speed: number, connect?: ConnectCloud) {
    this.#api = api;
    this.clock = fasterClock(speed);
    this.#connect = connect ?? this.syncs.connect;
  }

  static async start({ binDirectory, speed = 1, connect }: MirrorOperatorOptions): Promise<MirrorOperator> {
    const api = await startApiServer({ binDirectory, manifests: MANIFESTS, arguments: ['--disable-admission-plugins=ServiceAccount,StorageObjectInUseProtection'] });
    const operator = new MirrorOperator(api, speed, connect);
    try {
      for (const name of ROLES) await api.client.create(clusterRoleBindings, bindingOf(name));
      await operator.#run();
      return operator;
    } catch (error) {
      await operator[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** With all rights. */
  get admin(): KubeClient {
    return this.#api.client;
  }

  /** What a look finds in the end; it fails after that many seconds with what tenants say. */
  eventually<T>(what: string, look: Look<T>, seconds = 180): Promise<T> {
    const end = Date.now() + seconds * 1000;
    return this.#until(look, () => (Date.now() > end ? `${what} took longer than ${seconds} s` : undefined));
  }

  /** What a look finds by the end of the first sync that begins now or later. */
  inOneSync<T>(what: string, look: Look<T>, seconds = 180): Promise<T> {
    const [before, end] = [this.syncs.begun, Date.now() + seconds * 1000];
    return this.#until(look, (begun) => {
      // The second begins when all that the first has found is written.
      if (begun - before > 1) return `${what} has not come with the sync that came after it`;
      return Date.now() > end ? `${what}: no sync has come within ${seconds} s` : undefined;
    });
  }

  /** Ends the operator, and starts another that knows nothing yet. */
  async restart(): Promise<void> {
    await this.#end();
    this.#stop = new AbortController();
    this.writes.length = 0;
    await this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    await this.#api[Symbol.asyncDispose]();
  }

  async #end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const config = JSON.parse(await readFile(this.#api.kubeconfigPath, 'utf8')) as { users: readonly { name: string; user: object }[] };
    const path = `${this.#api.kubeconfigPath}-operator`;
    await writeFile(path, JSON.stringify({ ...config, users: config.users.map(({ name, user }) => ({ name, user: { ...user, as: 'operator' } })) }), { mode: 0o600 });
    const client = new KubeClient(new HttpTransport(loadKubeconfig({ kubeconfig: path })), {
      observe: (verb, { kind }) => void (['create', 'patch', 'apply', 'update', 'delete'].includes(verb) && kind !== 'Event' && this.writes.push(`${verb} ${kind}`)),
    });
    const parts = createControllers({
      client, events: new EventRecorder({ client, controller: 'test', instance: 'test', log: silentLog }), log: silentLog, namespace: 'yadokari-system', clock: this.clock,
      metrics: { depth: () => {}, waited: () => {}, reconciled: () => {} }, anchor: { pauseImage: 'pause:1', network: 'spliced' }, connectCloud: this.#connect,
    });
    this.#running = new Manager({ ...parts, log: silentLog }).run(this.#stop.signal).finally(() => client.close());
  }

  /** `isOver` says why a look that found nothing was the last one, from how many syncs had begun before it. */
  async #until<T>(look: Look<T>, isOver: (begun: number) => string | undefined): Promise<T> {
    for (;;) {
      const { begun } = this.syncs;
      let fault = '';
      const found = await look().catch((error: unknown) => {
        fault = `: ${messageOf(error)}`;
      });
      if (found !== undefined && found !== false) return found;
      const over = isOver(begun);
      if (over !== undefined) await this.#fail(`${over}${fault}`);
      await delay(LOOK_MS);
    }
  }

  async #fail(message: string): Promise<never> {
    const { items } = await this.admin.listAll(openStackTenants);
    assert.fail(`${message}\n${JSON.stringify(items.map(({ metadata, status }) => ({ name: metadata.name, ...status })), undefined, 1)}`);
  }
}

function bindingOf(name: string): KubeObject {
  const subject = { kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'operator' };
  return { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name: `test-${name}` }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name }, subjects: [subject] } as KubeObject;
}

/** It takes a minute until some changes are looked for. */
function fasterClock(speed: number): Clock {
  const startMs = Date.now();
  return {
    now: () => startMs + (Date.now() - startMs) * speed,
    async sleep(ms, signal) {
      await delay(ms / speed, undefined, signal === undefined ? {} : { signal });
    },
    after(ms, callback) {
      const timer = setTimeout(callback, ms / speed).unref();
      return () => clearTimeout(timer);
    },
  };
}
