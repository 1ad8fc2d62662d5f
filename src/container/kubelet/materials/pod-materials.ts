import type { CriMount, SandboxConfig } from '../../cri.ts';
import type { ContainerSpec, PodManifest } from '../pod.ts';
import type { KubeletContext } from '../port.ts';
import { environmentOf } from './environment.ts';
import { Images } from './images.ts';
import { PatientReferences } from './patient-references.ts';
import { hostsFile, podFolder, terminationLog } from '../pod-paths.ts';
import { dnsOf, hostsFileOf } from './pod-network-files.ts';
import type { Environment, PodMaterials, Refusal } from './port.ts';
import { refusalOf } from './refusals.ts';
import { Volumes } from './volumes.ts';

const TERMINATION_LOG = '/dev/termination-log';
const HOSTS = '/etc/hosts';

/** What pods of one virtual node are made of. */
export class VirtualNodeMaterials implements PodMaterials {
  readonly #context: KubeletContext;
  readonly #namespace: string;
  readonly #volumes: Volumes;
  readonly #images: Images;

  /** `namespace`: that of the machine, whose pods alone run in it. */
  constructor(context: KubeletContext, namespace: string) {
    const patient = { ...context, references: new PatientReferences(context.references, context.clock) };
    this.#context = patient;
    this.#namespace = namespace;
    this.#volumes = new Volumes(patient);
    this.#images = new Images(patient);
  }

  refusalOf(pod: PodManifest): Refusal | undefined {
    return refusalOf(pod, this.#namespace);
  }

  ensureVolumes(pod: PodManifest, signal: AbortSignal): Promise<void> {
    return this.#volumes.ensure(pod, signal);
  }

  environmentOf(pod: PodManifest, container: ContainerSpec, address: string, signal: AbortSignal): Promise<Environment> {
    return environmentOf(this.#context, pod, container, address, signal);
  }

  async mountsOf(pod: PodManifest, container: ContainerSpec, address: string, environment: Environment, signal: AbortSignal): Promise<readonly CriMount[]> {
    const { files, settings } = this.#context;
    const { uid = '' } = pod.metadata;
    const mounts = await this.#volumes.mountsOf(pod, container, environment, signal);
    if (mounts.some(({ containerPath }) => containerPath === HOSTS)) return mounts;
    await files.writeFile(hostsFile(uid), hostsFileOf(pod, address, settings), 0o644, signal);
    return [...mounts, { containerPath: HOSTS, hostPath: `${files.root}/${hostsFile(uid)}`, readonly: false }];
  }

  async terminationMount(pod: PodManifest, container: ContainerSpec, attempt: number, signal: AbortSignal): Promise<CriMount> {
    const { files } = this.#context;
    const file = this.terminationLogOf(pod.metadata.uid ?? '', container.name, attempt);
    // Whoever the container runs as writes there.
    await files.writeFile(file, '', 0o666, signal);
    return { containerPath: container.terminationMessagePath ?? TERMINATION_LOG, hostPath: `${files.root}/${file}`, readonly: false };
  }

  ensureImage(pod: PodManifest, container: ContainerSpec, sandbox: SandboxConfig, signal: AbortSignal): ReturnType<Images['ensure']> {
    return this.#images.ensure(pod, container, sandbox, signal);
  }

  dnsOf(pod: PodManifest): SandboxConfig['dns'] {
    const { settings, event } = this.#context;
    return dnsOf(pod, settings, (message) => event(pod, { type: 'Warning', reason: 'DNSConfigForming', message }));
  }

  terminationLogOf(podUid: string, container: string, attempt: number): string {
    return terminationLog(podUid, container, attempt);
  }

  async removeVolumes(podUid: string, signal: AbortSignal): Promise<void> {
    await this.#context.files.remove(podFolder(podUid), signal);
  }

  forget(podUid: string): void {
    this.#volumes.forget(podUid);
    this.#images.forget(podUid);
  }
}
