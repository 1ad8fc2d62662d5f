import { OpenStackCloud } from '../../src/openstack/cloud.ts';
import type { ConnectCloud } from '../../src/operator/open-stack-tenant/cloud-access.ts';

export interface CloudSync {
  readonly startMs: number;
  /** Of the last answer so far. */
  endMs: number;
  /** Those of the mirror that answered from its start on: also what it asks between this sync and the next. */
  requests: number;
  /** How often each service, such as `compute`, was asked, and how long after the start its last answer came. */
  readonly services: Record<string, { readonly requests: number; readonly lastMs: number }>;
}

/** Reaches clouds as the operator does, and notes its syncs as the cloud sees them: by the requests that arrive there. */
export class CloudSyncs {
  readonly all: CloudSync[] = [];

  readonly connect: ConnectCloud = async (settings, signal) => {
    const cloud = await OpenStackCloud.connect(settings, { signal, observer: (service) => this.#answered(service) });
    const ports = cloud.network.ports.bind(cloud.network);
    // Every sync begins by listing these, once.
    cloud.network.ports = (...query) => {
      const nowMs = Date.now();
      this.all.push({ startMs: nowMs, endMs: nowMs, requests: 0, services: {} });
      return ports(...query);
    };
    return cloud;
  };

  /** That have begun so far. */
  get begun(): number {
    return this.all.length;
  }

  #answered(service: string): void {
    const sync = this.all.at(-1);
    if (sync === undefined) return;
    sync.endMs = Date.now();
    sync.requests += 1;
    sync.services[service] = { requests: (sync.services[service]?.requests ?? 0) + 1, lastMs: sync.endMs - sync.startMs };
  }
}
