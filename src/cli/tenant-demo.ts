import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Progress } from '../base/progress.ts';
import { isAlreadyExists, missing } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { namespaces, secrets } from '../kube/core.ts';
import { isDeleting } from '../kube/object.ts';
import { openStackMigrations, openStackTenants, virtualMachines, type VirtualMachine } from '../kube/yadokari.ts';
import { Inventory } from '../openstack/inventory.ts';
import type { Cloud } from '../openstack/port.ts';
import { DemoFailedError } from './demo.ts';
import { formatTable } from './table.ts';
import { differences, kindRows, machineOf, readSides, serverRows, type TenantSides } from './tenant-sides.ts';
import { createTenant, migrationsOf } from './tenant/tenant-objects.ts';
import { tenantText } from './tenant/tenant-text.ts';
import { tenantGone, tenantReady } from './tenant/tenant-waiting.ts';

export interface TenantDemoOptions {
  readonly client: KubeClient;
  readonly cloud: Cloud;
  /** Of that cloud alone. */
  readonly cloudsYaml: string;
  /** Ids of servers by their names. */
  readonly servers: ReadonlyMap<string, string>;
  /** Folder of the components' logs, to be named when something fails. */
  readonly logs: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export const TENANT = { namespace: 'acme', name: 'acme', secret: 'acme-cloud' } as const;
/** The one runs and the other is stopped at first; the demo changes both. */
export const [STOPPED_HERE, STARTED_THERE] = ['web-2', 'worker-8'] as const;
const SYNC_SECONDS = 5;
const PATIENCE_MS = 180_000;
const LOOK_MS = 100;

/** Mirrors a project of a cloud into a namespace, shows that both sides are alike, and operates servers from both. */
export class TenantDemo {
  readonly #options: TenantDemoOptions;

  constructor(options: TenantDemoOptions) {
    this.#options = options;
  }

  /** Makes the tenant, anew where an earlier demo has left one, and waits until all is mirrored. */
  async mirror(): Promise<void> {
    const { client, cloudsYaml, progress, signal } = this.#options;
    const { namespace, name, secret } = TENANT;
    await this.#namespaceGone(true, signal);
    await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }, { signal }).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
    await this.#removeTenant(signal);
    await createTenant(client, { namespace, name, secret, cloudsYaml, spec: { servers: { mode: 'Manage' }, syncPeriodSeconds: SYNC_SECONDS } }, signal);
    await tenantReady({ client, namespace, name, patienceMs: PATIENCE_MS, progress, signal });
  }

  /** Both sides as text. Throws DemoFailedError when they differ. */
  async compare(): Promise<string> {
    const sides = await this.#sides();
    const differing = differences(sides);
    const text = `${formatTable(serverRows(sides))}\n\n${formatTable(kindRows(sides))}`;
    if (differing.length > 0) throw await this.#failure(`the two sides differ: ${differing.join('; ')}\n${text}`);
    return text;
  }

  /** Stops a server from here and starts one there, and gives rows of what the other side then has. Throws DemoFailedError when it does not come. */
  async operate(): Promise<readonly (readonly string[])[]> {
    return [['WHAT WAS DONE', 'SERVER THERE', 'MACHINE HERE', 'BOTH AFTER'], await this.#stopHere(), await this.#startThere()];
  }

  /** Waits until what mirrors the project is gone, so that the next demo begins anew. */
  async remove(signal: AbortSignal): Promise<void> {
    await this.#removeMigrations(signal);
    await this.#removeTenant(signal);
    await this.#options.client.delete(namespaces, { name: TENANT.namespace }, { signal }).catch(missing);
    await this.#namespaceGone(false, signal);
  }

  #stopHere(): Promise<readonly string[]> {
    const { client, signal } = this.#options;
    return this.#changed(STOPPED_HERE, `runStrategy: Halted for machine ${STOPPED_HERE}`, ['SHUTOFF', 'Stopped'], ({ metadata: { name } }) => client.patch(virtualMachines, { namespace: TENANT.namespace, name }, { spec: { runStrategy: 'Halted' } }, { signal }));
  }

  #startThere(): Promise<readonly string[]> {
    const { cloud, servers, signal } = this.#options;
    return this.#changed(STARTED_THERE, `openstack server start ${STARTED_THERE}`, ['ACTIVE', 'Running'], () => cloud.compute.act(servers.get(STARTED_THERE) ?? '', { kind: 'start' }, signal));
  }

  async #changed(server: string, title: string, [there, here]: readonly [string, string], change: (machine: VirtualMachine) => Promise<unknown>): Promise<readonly string[]> {
    const { client, cloud, servers, progress, signal } = this.#options;
    const id = servers.get(server) ?? '';
    const machine = machineOf(await this.#sides(), id) ?? (await this.#fail(`server ${server} has no machine here`));
    const ref = { namespace: TENANT.namespace, name: machine.metadata.name };
    return progress.step(`Waiting for both sides after: ${title}`, async (step) => {
      const begun = systemClock.now();
      await change(machine);
      for (;;) {
        const [status, shown] = [(await cloud.compute.server(id, signal))?.status ?? 'gone', (await client.get(virtualMachines, ref, signal)).status?.printableStatus ?? '-'];
        const seconds = (systemClock.now() - begun) / 1000;
        if (status === there && shown === here) return [title, status, shown, `${seconds.toFixed(1)} s`];
        if (seconds > PATIENCE_MS / 1000) throw await this.#failure(`after ${title} server ${server} is ${status}, and its machine ${shown}`);
        step.update(`there ${status}, here ${shown}`);
        await systemClock.sleep(LOOK_MS, signal);
      }
    });
  }

  async #sides(): Promise<TenantSides> {
    const { client, cloud, signal } = this.#options;
    return readSides(client, TENANT, (await new Inventory(cloud).sync(signal)).state, signal);
  }

  /** While the cloud is there, in which copies may be left. */
  async #removeMigrations(signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    for (;;) {
      const left = await migrationsOf(client, TENANT.namespace, TENANT.name, signal);
      if (left.length === 0) return;
      for (const { metadata: { name } } of left) await client.delete(openStackMigrations, { namespace: TENANT.namespace, name }, { signal }).catch(missing);
      await systemClock.sleep(LOOK_MS, signal);
    }
  }

  async #removeTenant(signal: AbortSignal): Promise<void> {
    const { client, progress } = this.#options;
    const { namespace, name, secret } = TENANT;
    if (await client.get(openStackTenants, { namespace, name }, signal).catch(missing) === undefined) return;
    await client.delete(openStackTenants, { namespace, name }, { signal }).catch(missing);
    await tenantGone({ client, namespace, name, patienceMs: PATIENCE_MS, progress, signal });
    await client.delete(secrets, { namespace, name: secret }, { signal }).catch(missing);
  }

  /** Resolves once there is none; `ifGoing`: at once where it is not on its way. */
  async #namespaceGone(ifGoing: boolean, signal: AbortSignal): Promise<void> {
    for (;;) {
      const found = await this.#options.client.get(namespaces, { name: TENANT.namespace }, signal).catch(missing);
      if (found === undefined || (ifGoing && !isDeleting(found))) return;
      await systemClock.sleep(LOOK_MS, signal);
    }
  }

  async #fail(what: string): Promise<never> {
    throw await this.#failure(what);
  }

  async #failure(what: string): Promise<DemoFailedError> {
    const { client, logs, signal } = this.#options;
    const said = await client.get(openStackTenants, TENANT, signal).then((tenant) => tenantText(tenant, systemClock.now()), messageOf);
    return new DemoFailedError(`${what}\n${said}\nAll logs are in ${logs}.`);
  }
}
