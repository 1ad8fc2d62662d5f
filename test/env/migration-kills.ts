import assert from 'node:assert/strict';
import type { ClusterStatus } from '../../src/local/cluster.ts';
import type { ComponentStatus } from '../../src/local/component.ts';
import { ControlClient } from '../../src/local/control-client.ts';
import { clusterLayout } from '../../src/local/layout.ts';
import type { MigratedTenant } from './migrated-tenant.ts';

const VICTIMS = ['agent', 'operator', 'kube-apiserver', 'etcd', 'kubelet', 'libvirtd', 'containerd'];
const DAEMONS = ['glance', 'cinder', 'keystone', 'neutron'] as const;

/** Kills by chance what takes part in a move, here or in the cloud; all of it is started again. */
export class MigrationKills {
  readonly #tenant: MigratedTenant;
  readonly #control: ControlClient;
  readonly #next: () => number;
  readonly #killed = new Map<string, number>();

  constructor(tenant: MigratedTenant, next: () => number) {
    this.#tenant = tenant;
    this.#control = new ControlClient(clusterLayout(tenant.cluster.folder, tenant.cluster.status.name));
    this.#next = next;
  }

  /** Kills one; its name. */
  async one(): Promise<string> {
    const victim = this.#next() < 0.75 ? await this.#component() : await this.#daemon();
    this.#killed.set(victim, (this.#killed.get(victim) ?? 0) + 1);
    return victim;
  }

  get summary(): string {
    return [...this.#killed].map(([name, count]) => `${name} ${count} ×`).sort().join(', ');
  }

  async #component(): Promise<string> {
    const candidates = components(await this.#control.status()).filter(({ name, pid, state }) => pid !== undefined && state === 'running' && VICTIMS.includes(name.replace(/^n\d+\//, '')));
    const { name, pid } = candidates[Math.floor(this.#next() * candidates.length)] ?? assert.fail('nothing runs');
    process.kill(pid ?? 0, 'SIGKILL');
    return name;
  }

  async #daemon(): Promise<string> {
    const daemon = DAEMONS[Math.floor(this.#next() * DAEMONS.length)] ?? 'glance';
    await this.#tenant.peer.kill(daemon);
    await this.#tenant.peer.run(daemon);
    return daemon;
  }
}

function components({ components: ofHost, nodes }: ClusterStatus): readonly ComponentStatus[] {
  return [...ofHost, ...nodes.flatMap((node) => node.components)];
}
