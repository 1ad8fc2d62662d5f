import { randomUUID } from 'node:crypto';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { createLog } from '../../src/base/log.ts';
import type { Cri } from '../../src/container/cri.ts';
import type { NodeRoom } from '../../src/container/kubelet/eviction/port.ts';
import { VirtualNodeMaterials } from '../../src/container/kubelet/materials/pod-materials.ts';
import type { ContainerSpec, PodManifest, PodManifestSpec, PodStatusReport } from '../../src/container/kubelet/pod.ts';
import type { KubeletContext, KubeletEvent } from '../../src/container/kubelet/port.ts';
import { VirtualKubelet } from '../../src/container/kubelet/virtual-kubelet.ts';
import type { Node } from '../../src/kube/core.ts';
import type { PodFiles } from '../../src/container/pod-files.ts';

export interface KubeletUnderTestOptions {
  readonly cri: Cri;
  readonly files: PodFiles;
  /** Default: the system's. */
  readonly clock?: Clock;
}

/** A virtual kubelet, and the API that it knows: what it is told of pods, and what it says of them. */
export class KubeletUnderTest {
  readonly events: (KubeletEvent & { readonly pod: string })[] = [];
  /** Every status that was written, by pod. */
  readonly written = new Map<string, PodStatusReport[]>();
  readonly released: string[] = [];
  /** What its node has left. */
  room: NodeRoom = { memoryAvailableBytes: 2 ** 31, diskCapacityBytes: 2 ** 34, diskAvailableBytes: 2 ** 33, inodes: 1e6, inodesFree: 9e5 };
  /** As the API has it. */
  node: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node' }, status: { allocatable: { cpu: '2', memory: '4Gi', pods: '110' } } };
  readonly #options: KubeletUnderTestOptions;
  readonly #pods = new Map<string, PodManifest>();
  #kubelet: VirtualKubelet | undefined;
  #end = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: KubeletUnderTestOptions) {
    this.#options = options;
  }

  /** Begins, or begins anew with no memory but the API's and the runtime's. */
  start(): void {
    const context = this.#context();
    const kubelet = new VirtualKubelet(context, new VirtualNodeMaterials(context, 'default'));
    for (const pod of this.#pods.values()) kubelet.upsert(pod);
    kubelet.markSynced();
    this.#kubelet = kubelet;
    this.#end = new AbortController();
    this.#running = kubelet.run(this.#end.signal);
  }

  async stop(): Promise<void> {
    this.#end.abort(new Error('the test ends it'));
    await this.#running;
    this.#kubelet = undefined;
  }

  create(name: string, spec: PodManifestSpec): PodManifest {
    const containers = (list: readonly ContainerSpec[]): readonly ContainerSpec[] => list.map((container) => ({ terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File', imagePullPolicy: 'IfNotPresent', ...container }));
    const pod: PodManifest = {
      apiVersion: 'v1', kind: 'Pod',
      metadata: { name, namespace: 'default', uid: randomUUID(), generation: 1, creationTimestamp: new Date().toISOString() },
      spec: {
        restartPolicy: 'Always', terminationGracePeriodSeconds: 5, dnsPolicy: 'Default', nodeName: 'node', ...spec,
        containers: containers(spec.containers),
        ...(spec.initContainers === undefined ? {} : { initContainers: containers(spec.initContainers) }),
      },
      status: { phase: 'Pending', qosClass: 'BestEffort' },
    };
    return this.#put(pod);
  }

  update(name: string, change: (pod: PodManifest) => PodManifest): void {
    const changed = change(this.pod(name));
    this.#put({ ...changed, metadata: { ...changed.metadata, generation: (changed.metadata.generation ?? 0) + 1 } });
  }

  /** A graceful deletion. */
  delete(name: string, graceSeconds?: number): void {
    this.update(name, (pod) => ({ ...pod, metadata: { ...pod.metadata, deletionTimestamp: new Date().toISOString(), deletionGracePeriodSeconds: graceSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30 } }));
  }

  /** Somebody else writes over the status. */
  overwrite(name: string, status: PodStatusReport): void {
    this.#put({ ...this.pod(name), status });
  }

  /** The pod is gone from the API without the kubelet having been asked. */
  forget(name: string): void {
    const pod = this.pod(name);
    this.#pods.delete(name);
    this.#kubelet?.remove(pod);
  }

  pod(name: string): PodManifest {
    const pod = this.#pods.get(name);
    if (pod === undefined) throw new Error(`no pod ${name}`);
    return pod;
  }

  has(name: string): boolean {
    return this.#pods.has(name);
  }

  status(name: string): PodStatusReport {
    return this.pod(name).status ?? {};
  }

  eventsOf(name: string): readonly string[] {
    return this.events.filter(({ pod }) => pod === name).map(({ reason, message }) => `${reason}: ${message}`);
  }

  condition(name: string, type: string): string | undefined {
    return this.status(name).conditions?.find((condition) => condition.type === type)?.status;
  }

  #put(pod: PodManifest): PodManifest {
    this.#pods.set(pod.metadata.name, pod);
    this.#kubelet?.upsert(pod);
    return pod;
  }

  #context(): KubeletContext {
    return {
      cri: this.#options.cri,
      files: this.#options.files,
      references: {
        configMap: () => Promise.resolve(undefined),
        secret: () => Promise.resolve(undefined),
        serviceAccountToken: () => Promise.reject(new Error('no tokens here')),
        services: () => [],
      },
      addresses: {
        assign: () => Promise.resolve(''),
        release: (uid) => Promise.resolve(void this.released.push(uid)),
      },
      statuses: {
        write: ({ metadata: { name, uid } }, status) => {
          const known = this.#pods.get(name);
          if (known === undefined || known.metadata.uid !== uid) return Promise.resolve();
          this.written.set(name, [...(this.written.get(name) ?? []), status]);
          this.#put({ ...known, status: JSON.parse(JSON.stringify(status)) as PodStatusReport });
          return Promise.resolve();
        },
        finish: ({ metadata: { name } }) => {
          const pod = this.#pods.get(name);
          this.#pods.delete(name);
          if (pod !== undefined) setImmediate(() => this.#kubelet?.remove(pod));
          return Promise.resolve();
        },
      },
      settings: {
        node: 'node', hostAddress: '192.0.2.1', clusterDns: ['10.96.0.10'], clusterDomain: 'cluster.local', dns: { servers: ['192.0.2.53'], searches: [] },
        allocatable: { millicpu: 2000, memoryBytes: 4 * 2 ** 30 },
        cgroupVersion: 1,
      },
      node: () => this.node,
      room: () => Promise.resolve(this.room),
      event: (about, event) => void this.events.push({ ...event, pod: about.metadata.name }),
      clock: this.#options.clock ?? systemClock,
      log: createLog({ level: process.env['YADO_LOG'] ?? 'silent' }),
    };
  }
}
