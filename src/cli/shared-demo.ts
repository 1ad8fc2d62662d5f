import { setTimeout as delay } from 'node:timers/promises';
import type { Progress } from '../base/progress.ts';
import { missing } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { isTrue } from '../kube/conditions.ts';
import { persistentVolumeClaims } from '../kube/core.ts';
import type { KubeObject, Resource } from '../kube/object.ts';
import { volumeSnapshots } from '../kube/storage.ts';
import { virtualMachines, type VirtualMachine } from '../kube/yadokari.ts';
import { DEMO_NAMESPACE, DemoFailedError, get, type Workload } from './demo.ts';

export interface SharedDemoOptions {
  readonly client: KubeClient;
  /** The example: claims that are shared, one that is a disk, a virtual machine, pods. */
  readonly objects: readonly KubeObject[];
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

type Rows = readonly (readonly string[])[];

const STEP_MS = 180_000;
const LOOK_MS = 500;
/** At least: the others have to have tried by then, however slow the host. */
const HELD_SECONDS = 6;
/** Much larger than the claim: what is over it is noticed some seconds late. */
const FILL_MIB = 200;
const GROWN = '96Mi';
const GROWN_BYTES = 96 * 2 ** 20;
const namespaced = (name: string) => ({ name, namespace: DEMO_NAMESPACE });

/** Shows what a volume is good for that several have at once, and a disk that a machine gets while it runs. */
export class SharedDemo {
  readonly #options: SharedDemoOptions;
  readonly #shared: readonly string[];
  readonly #disk: string;
  readonly #machine: VirtualMachine;
  #slowestMs = 0;

  constructor(options: SharedDemoOptions) {
    this.#options = options;
    const claims = options.objects.filter(({ kind }) => kind === 'PersistentVolumeClaim') as (KubeObject & { readonly spec: { readonly volumeMode?: string } })[];
    this.#shared = claims.filter(({ spec }) => spec.volumeMode !== 'Block').map(({ metadata }) => metadata.name);
    this.#disk = claims.find(({ spec }) => spec.volumeMode === 'Block')?.metadata.name ?? '';
    this.#machine = options.objects.find(({ kind }) => kind === 'VirtualMachine') as VirtualMachine;
  }

  /** Rows of a table; throws DemoFailedError when something is not as it should be. */
  async check(workloads: readonly Workload[]): Promise<Rows> {
    const rows: (readonly string[])[] = [['VOLUME', 'WHAT', 'SEEN']];
    for (const volume of this.#shared) rows.push(...await this.#files(volume, workloads), ...await this.#locks(volume, workloads), ...await this.#quota(volume, workloads));
    return [...rows, ...await this.#pluggedDisk()];
  }

  /** What was made beside the example's own objects. */
  async remove(): Promise<void> {
    const { client, signal } = this.#options;
    const made: readonly (readonly [Resource, string])[] = [[virtualMachines, 'copy'], [persistentVolumeClaims, 'copy'], [volumeSnapshots, 'then']];
    for (const [resource, name] of made) {
      await client.delete(resource, namespaced(name), { signal }).catch(missing);
      await this.#until(`${name} is gone`, async () => !(await client.get(resource, namespaced(name), signal).then(() => true, missing)));
    }
  }

  #files(volume: string, workloads: readonly Workload[]): Promise<Rows> {
    return this.#options.progress.step(`Letting each write a file to ${volume}, and read those of the others`, async () => {
      for (const one of workloads) await this.#expect(one, `share?write&${volume}`, 'done');
      for (const reader of workloads) for (const writer of workloads) await this.#expect(reader, `share?read&${volume}&${writer.metadata.name}`, `written by ${writer.metadata.name}`);
      return [[volume, `${names(workloads)}: each wrote a file`, 'each reads those of all others']];
    });
  }

  #locks(volume: string, workloads: readonly Workload[]): Promise<Rows> {
    return this.#options.progress.step(`Letting each lock out the others of ${volume}`, async () => {
      const seconds = Math.max(HELD_SECONDS, Math.ceil(workloads.length * this.#slowestMs / 1000));
      for (const holder of workloads) {
        await this.#expect(holder, `share?hold&${volume}&${seconds}`, 'held');
        for (const other of workloads.filter((one) => one !== holder)) await this.#expect(other, `share?try&${volume}`, 'taken');
        await this.#until('the lock is free again', async () => await this.#ask(holder, `share?try&${volume}`) === 'free');
      }
      return [[volume, 'each locked a file', 'the others could not']];
    });
  }

  #quota(volume: string, workloads: readonly Workload[]): Promise<Rows> {
    return this.#options.progress.step(`Letting each write ${FILL_MIB} MiB to ${volume}, which is more than there is`, async () => {
      const seen = new Map<string, readonly string[]>();
      // A machine comes last: of a volume on NFS that is full to its last block it can remove nothing.
      const inTurn = workloads.toSorted((a, b) => Number(isMachine(a)) - Number(isMachine(b)));
      for (const one of inTurn) {
        const said = await this.#ask(one, `share?fill&${volume}&${FILL_MIB}`);
        if (said === '') throw new DemoFailedError(`${one.metadata.name} could write ${FILL_MIB} MiB to ${volume}, which is smaller`);
        seen.set(said, [...seen.get(said) ?? [], one.metadata.name]);
        if (!isMachine(one)) await this.#until('there is room again', async () => await this.#ask(one, `share?write&${volume}`) === 'done');
      }
      return [...seen].map(([said, who]) => [volume, `${who.join(', ')}: wrote more than it holds`, said]);
    });
  }

  async #pluggedDisk(): Promise<Rows> {
    const { client, progress, signal } = this.#options;
    const { name } = this.#machine.metadata;
    const disk = { name: this.#disk, persistentVolumeClaim: this.#disk };
    const machine = await progress.step(`Plugging the disk ${this.#disk} into ${name}, which runs`, async () => {
      await client.patch(virtualMachines, namespaced(name), { spec: { disks: [disk] } }, { signal });
      const plugged = await this.#machineThat(name, ({ status }) => status?.guest?.disks?.some(({ attached }) => attached) === true);
      // Its kernel takes a moment to look at what was plugged in.
      await this.#until('the guest has found it', async () => Number(await this.#ask(plugged, `disk?size&${this.#disk}`)) > 0);
      return plugged;
    });
    const sum = await this.#ask(machine, `disk?write&${this.#disk}`);
    await this.#expect(machine, `disk?load&${this.#disk}`, 'writing');
    await progress.step(`Letting it grow to ${GROWN} while ${name} writes to it`, async () => {
      await client.patch(persistentVolumeClaims, namespaced(this.#disk), { spec: { resources: { requests: { storage: GROWN } } } }, { signal });
      await this.#until(`${name} sees ${GROWN}`, async () => Number(await this.#ask(machine, `disk?size&${this.#disk}`)) * 512 === GROWN_BYTES);
    });
    await progress.step('Taking a snapshot of it meanwhile, and starting another machine with a copy of that', () => this.#startCopy(disk.name));
    const copied = await this.#ask(await this.#machineThat('copy', ({ status }) => status?.ready === true), 'disk?read&copy');
    if (copied !== sum) throw new DemoFailedError(`the copy reads ${copied}, and ${sum} was written`);
    return [
      [this.#disk, `plugged into ${name}, which ran on`, `grew to ${GROWN} under load`],
      [this.#disk, 'snapshot under load, copied for machine copy', `reads what was written: ${sum.slice(0, 8)}…`],
    ];
  }

  /** The same machine again, with the copy as its disk. */
  async #startCopy(claim: string): Promise<void> {
    const { client, signal } = this.#options;
    const fieldManager = 'yado';
    await client.apply(volumeSnapshots, { metadata: namespaced('then'), spec: { source: { persistentVolumeClaimName: claim } } }, { fieldManager, signal });
    await this.#until('the snapshot is ready', async () => (await client.get(volumeSnapshots, namespaced('then'), signal)).status?.readyToUse === true);
    const original = await client.get(persistentVolumeClaims, namespaced(claim), signal);
    const { accessModes, volumeMode, storageClassName } = original.spec;
    await client.apply(persistentVolumeClaims, {
      metadata: namespaced('copy'), spec: { accessModes, volumeMode, storageClassName, dataSource: { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 'then' }, resources: { requests: { storage: GROWN } } },
    }, { fieldManager, signal });
    const { filesystems: _shared, ...spec } = this.#machine.spec;
    await client.apply(virtualMachines, { metadata: { ...namespaced('copy'), labels: this.#machine.metadata.labels ?? {} }, spec: { ...spec, disks: [{ name: 'copy', persistentVolumeClaim: 'copy' }] } }, { fieldManager, signal });
    await this.#machineThat('copy', ({ status }) => status?.ready === true);
  }

  async #machineThat(name: string, holds: (vm: VirtualMachine) => boolean): Promise<VirtualMachine> {
    const { client, signal } = this.#options;
    let found: VirtualMachine | undefined;
    await this.#until(`machine ${name} is as it should be`, async () => {
      found = await client.get(virtualMachines, namespaced(name), signal);
      return isTrue(found.status?.conditions, 'Ready') && holds(found);
    });
    return found as VirtualMachine;
  }

  async #expect(workload: Workload, what: string, expected: string): Promise<void> {
    const begun = Date.now();
    const said = await this.#ask(workload, what);
    this.#slowestMs = Math.max(this.#slowestMs, Date.now() - begun);
    if (said !== expected) throw new DemoFailedError(`${workload.metadata.name} was asked to ${what}, and said ${said === '' ? 'nothing' : said} instead of ${expected}`);
  }

  async #ask({ status }: Workload, what: string): Promise<string> {
    return (await get(`http://${status?.address ?? ''}/cgi-bin/${what}`, STEP_MS)).trim();
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + STEP_MS; !(await holds()); await delay(LOOK_MS, undefined, { signal: this.#options.signal })) {
      if (Date.now() > deadline) throw new DemoFailedError(`${what}: not within ${STEP_MS / 1000} s`);
    }
  }
}

function isMachine({ kind }: Workload): boolean {
  return kind === 'VirtualMachine';
}

function names(workloads: readonly Workload[]): string {
  return workloads.map(({ metadata }) => metadata.name).join(', ');
}
