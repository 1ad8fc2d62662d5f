import { messageOf, YadoError } from '../base/errors.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { timestamp } from '../kube/conditions.ts';
import type { EventNote, EventRecorder } from '../kube/event-recorder.ts';
import type { KubeObject } from '../kube/object.ts';
import { formatBytes } from '../base/quantity.ts';
import { API_VERSION } from '../api/group.ts';
import type { GuestEndpoint, NodeNetwork } from '../network/port.ts';
import { GuestError, type Hypervisor } from '../vm/port.ts';
import type { Anchor } from './anchor.ts';
import type { EndpointRegistry } from './endpoint-registry.ts';
import type { GuestBuilder, OnImport } from './guest-builder.ts';
import type { GuestReporter } from './guest-reporter.ts';
import { ImageImportingError } from './image-imports.ts';
import { VolumePendingError } from './published-volumes.ts';

export interface GuestStarterOptions {
  readonly builder: GuestBuilder;
  readonly hypervisor: Hypervisor;
  readonly network: NodeNetwork;
  readonly endpoints: EndpointRegistry;
  readonly reporter: GuestReporter;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
}

/** How a start ended; `failed` is for the operator to judge, after `waiting` it is asked for again, anything else is thrown and repeated. */
export type StartResult = { readonly kind: 'started'; readonly endpoint: GuestEndpoint } | { readonly kind: 'waiting'; readonly againMs?: number } | { readonly kind: 'failed'; readonly reason: string; readonly message: string };

/** The kubelet needs about a second for a volume: what takes longer is worth a report. */
const PATIENCE_MS = 3000;
const LOOK_MS = 100;
const FLOATING_ELSEWHERE: EventNote = { type: 'Warning', reason: 'FloatingAddressLeftToCNI', message: 'network.floatingAddress is left to the CNI here: Calico heeds the annotation that the anchor has of it where floatingIPs is enabled, others pass it over' };
/** Between two reports of an import's progress. */
const PROGRESS_MS = 3000;

/** Brings a guest up: its address and tap beside its files, then the guest. Every step may be repeated. */
export class GuestStarter {
  readonly #options: GuestStarterOptions;
  /** Since when anchors have waited for their volumes. */
  readonly #waiting = new Map<string, number>();

  constructor(options: GuestStarterOptions) {
    this.#options = options;
  }

  async start(anchor: Anchor, signal: AbortSignal): Promise<StartResult> {
    const { builder, hypervisor, reporter } = this.#options;
    try {
      await builder.clear(anchor);
      const [endpoint, files] = await Promise.all([this.connect(anchor, signal), builder.files(anchor, this.#progress(anchor), signal)]);
      await hypervisor.start(builder.define(anchor, files, endpoint), signal);
      this.#waiting.delete(anchor.uid);
      this.#options.events.record(machineOf(anchor), { type: 'Normal', reason: 'Started', message: `the guest was started with address ${endpoint.address}` });
      if (anchor.guest.floatingAddress !== undefined && endpoint.floatingAddress === undefined) this.#options.events.record(machineOf(anchor), FLOATING_ELSEWHERE);
      return { kind: 'started', endpoint };
    } catch (error) {
      const message = messageOf(error);
      if (error instanceof GuestError && error.code !== 'HypervisorUnavailable') return { kind: 'failed', reason: error.code, message };
      if (error instanceof ImageImportingError) return this.#importing(anchor, error, signal);
      if (error instanceof VolumePendingError) return this.#pending(anchor, error, signal);
      if (!signal.aborted) await reporter.report(anchor, { phase: 'Preparing', reason: error instanceof YadoError ? error.code : 'Preparing', message }, signal);
      throw error;
    }
  }

  /** The anchor is going: what its start still waits for is ended. */
  abandon(anchor: Anchor): void {
    this.#waiting.delete(anchor.uid);
    this.#options.builder.abandon(anchor);
  }

  /** The progress of an import tells more than that there is one. */
  async #importing(anchor: Anchor, { code, message }: ImageImportingError, signal: AbortSignal): Promise<StartResult> {
    const { reporter } = this.#options;
    if (reporter.last(anchor)?.reason !== code) await reporter.report(anchor, { phase: 'Preparing', reason: code, message }, signal);
    return { kind: 'waiting' };
  }

  async #pending(anchor: Anchor, { code, message }: VolumePendingError, signal: AbortSignal): Promise<StartResult> {
    const { reporter, clock } = this.#options;
    const since = this.#waiting.get(anchor.uid) ?? clock.now();
    this.#waiting.set(anchor.uid, since);
    if (clock.now() - since > PATIENCE_MS && reporter.last(anchor)?.message !== message) await reporter.report(anchor, { phase: 'Preparing', reason: code, message }, signal);
    return { kind: 'waiting', againMs: LOOK_MS };
  }

  /** The guest's place on the network; also for a guest that runs already, after the agent was restarted. */
  async connect(anchor: Anchor, signal: AbortSignal): Promise<GuestEndpoint> {
    const { guest, namespace, name } = anchor;
    const endpoint = await this.#options.network.ensureGuest({
      namespace,
      virtualMachine: guest.name,
      uid: guest.uid,
      pod: name,
      podUid: anchor.uid,
      hostname: guest.hostname,
      ...(guest.address === undefined ? {} : { address: guest.address }),
      ...(guest.macAddress === undefined ? {} : { macAddress: guest.macAddress }),
      ...(guest.floatingAddress === undefined ? {} : { floatingAddress: guest.floatingAddress }),
      ...(guest.containerHost === undefined ? {} : { virtualNode: guest.containerHost.node }),
      ...(guest.cloudInit?.source === 'metadataService' ? { metadata: true } : {}),
    }, signal);
    this.#options.endpoints.settle(anchor.key, endpoint);
    return endpoint;
  }

  #progress(anchor: Anchor): OnImport {
    const { clock, reporter, log } = this.#options;
    let told = clock.now();
    return (image, { bytes, totalBytes }, signal) => {
      if (clock.now() - told < PROGRESS_MS) return;
      told = clock.now();
      const message = `image ${image.name}: ${formatBytes(bytes)}${totalBytes === undefined ? '' : ` of ${formatBytes(totalBytes)}`} (${timestamp(told)})`;
      reporter.report(anchor, { phase: 'Preparing', reason: 'ImageImporting', message }, signal).catch((error: unknown) => log.debug({ error: messageOf(error) }, 'progress was not reported'));
    };
  }
}

/** The VirtualMachine, as events name it. */
export function machineOf(anchor: Anchor): KubeObject {
  return { apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: { name: anchor.guest.name, namespace: anchor.namespace, uid: anchor.guest.uid } };
}
