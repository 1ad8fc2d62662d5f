import { join } from 'node:path';
import type { StorageBackendSpec } from '../../../api/storage-backend.ts';
import { ensureCgroup, entryFiles } from '../../cgroup.ts';
import { Component, type ComponentSpec } from '../../component.ts';
import type { ClusterContext } from '../../context.ts';
import { accepting } from '../../control/probe.ts';
import { hostPrefix } from '../../entry.ts';
import { readIfExists } from '../../file.ts';
import { clusterCgroup, type ClusterLayout } from '../../layout.ts';
import type { NetworkPlan } from '../../network-plan.ts';
import { CephSite, cephDaemons, type CephDaemon } from './ceph-site.ts';

const PORTS = { v2: 3300, v1: 6789 };
const POOL = 'yado';
const FILE_SYSTEM = 'files';
export const CEPH_USER = 'yado';

/** What the drivers need, and no more. */
const CAPABILITIES = {
  mon: 'profile rbd, allow r, allow command "osd blocklist"', mgr: 'allow rw', mds: 'allow rw',
  osd: `profile rbd pool=${POOL}, allow rw tag cephfs data=${FILE_SYSTEM}, allow rwx tag cephfs metadata=${FILE_SYSTEM}`,
};

/** A Ceph of one machine as processes of the cluster, at the host's address on the nodes' network. */
export class CephServer {
  readonly components: readonly Component[];
  readonly #context: ClusterContext;
  readonly #site: CephSite;
  readonly #cgroup: string;

  constructor(context: ClusterContext) {
    this.#context = context;
    this.#cgroup = `${clusterCgroup(context.layout.name)}/servers`;
    this.#site = new CephSite({ folder: folderOf(context.layout), address: context.plan.gateway, ports: PORTS });
    this.components = cephDaemons.map((daemon) => new Component(this.#specOf(daemon), context.clock, context.report));
  }

  /** Resolves once it serves; the first time takes some twenty seconds. */
  async start(signal: AbortSignal): Promise<void> {
    const { clock, hierarchies, report } = this.#context;
    const begun = clock.now();
    await ensureCgroup(hierarchies, this.#cgroup);
    try {
      await this.#site.bringUp({ start: (daemon) => this.#start(daemon, signal), furnish: () => this.#furnish(signal), signal });
    } catch (error) {
      // The next attempt begins with none.
      await this.stop();
      throw error;
    }
    report('ceph', `ready after ${clock.now() - begun} ms`);
  }

  /** Those first who write to the others. */
  async stop(): Promise<void> {
    for (const component of this.components.toReversed()) await component.stop();
  }

  async #start(daemon: CephDaemon, signal: AbortSignal): Promise<void> {
    await this.components[cephDaemons.indexOf(daemon)]?.start(signal);
  }

  async #furnish(signal: AbortSignal): Promise<void> {
    await this.#site.pool(POOL);
    await this.#site.fileSystem(FILE_SYSTEM, signal);
    await this.#site.ceph('auth', 'get-or-create', `client.${CEPH_USER}`, ...Object.entries(CAPABILITIES).flat(), '-o', keyringOf(this.#context.layout));
  }

  #specOf(daemon: CephDaemon): ComponentSpec {
    const { layout, plan, environment, hierarchies } = this.#context;
    const name = `ceph-${daemon}`;
    return {
      name, command: this.#site.commandOf(daemon), prefix: hostPrefix(entryFiles(hierarchies, this.#cgroup)), forked: false, environment,
      logFile: join(layout.logs, `${name}.log`), graceMs: 3000,
      ...(daemon === 'mon' ? { ready: (signal: AbortSignal) => accepting({ host: plan.gateway, port: PORTS.v1 }, signal) } : {}),
    };
  }
}

/** What a StorageBackend says of this server. */
export function cephBackend(plan: NetworkPlan, secret: { readonly name: string; readonly namespace: string }): StorageBackendSpec {
  return { ceph: { monitors: [`${plan.gateway}:${PORTS.v1}`], pool: POOL, filesystem: FILE_SYSTEM, secret } };
}

/** The key of the drivers' user; undefined before the server was made. */
export async function cephKey(layout: ClusterLayout): Promise<string | undefined> {
  return /^\s*key = (\S+)$/m.exec(await readIfExists(keyringOf(layout)) ?? '')?.[1];
}

function folderOf({ root }: Pick<ClusterLayout, 'root'>): string {
  return join(root, 'ceph');
}

function keyringOf(layout: ClusterLayout): string {
  return join(folderOf(layout), `client.${CEPH_USER}.keyring`);
}
