import { systemClock, type Clock } from '../base/clock.ts';
import { messageOf, YadoError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { isAlreadyExists, isConflict, isNotFound } from './api-error.ts';
import type { KubeClient } from './client.ts';
import { microTimestamp } from './conditions.ts';
import { leases, type Lease } from './core.ts';

export interface LeaderElectionOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Unique among the candidates. */
  readonly identity: string;
  readonly log: Log;
  /** Others may take over when the lease was not renewed for this long. Default 15 s. */
  readonly leaseMs?: number;
  /** The leader gives up when it could not renew for this long; less than leaseMs. Default 10 s. */
  readonly renewDeadlineMs?: number;
  /** Between two tries. Default 2 s. */
  readonly retryMs?: number;
  readonly clock?: Clock;
}

export class LeadershipLostError extends YadoError {
  constructor(name: string) {
    super('LeadershipLost', `lease ${name} could not be renewed in time; another instance may lead now`);
  }
}

/** What this candidate saw of the lease, and when by its own clock: clocks of others are not trusted. */
interface Observation {
  readonly holder: string | undefined;
  readonly renewTime: string | undefined;
  readonly at: number;
}

/**
 * Runs `lead` while this instance holds the Lease, with client-go's rules: an unchanged lease is taken over after
 * leaseMs of own observation; a leader that cannot renew aborts `lead` with LeadershipLostError and rejects; a clean
 * end releases the lease. Resolves when `lead` ends or the signal aborts.
 */
export async function runAsLeader(options: LeaderElectionOptions, signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const candidate = new Candidate(options);
  if (!(await candidate.acquire(signal))) return;
  const lost = new AbortController();
  const leading = AbortSignal.any([signal, lost.signal]);
  const ended = new AbortController();
  const renewal = candidate.keep(AbortSignal.any([leading, ended.signal])).catch((error: unknown) => lost.abort(error));
  try {
    await lead(leading);
    if (lost.signal.aborted) throw lost.signal.reason;
  } finally {
    ended.abort();
    await renewal;
    if (!lost.signal.aborted) await candidate.release();
  }
}

class Candidate {
  readonly #options: LeaderElectionOptions;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #retryMs: number;
  #seen: Observation | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#leaseMs = options.leaseMs ?? 15_000;
    this.#retryMs = options.retryMs ?? 2000;
  }

  /** True once the lease is ours, false when the signal aborted first. */
  async acquire(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      if (await this.#try()) {
        this.#options.log.info({ lease: this.#options.name, identity: this.#options.identity }, 'leading');
        return true;
      }
      await this.#clock.sleep(this.#retryMs, signal).catch(() => {});
    }
    return false;
  }

  async keep(signal: AbortSignal): Promise<void> {
    const deadlineMs = this.#options.renewDeadlineMs ?? 10_000;
    let renewed = this.#clock.now();
    while (!signal.aborted) {
      await this.#clock.sleep(this.#retryMs, signal).catch(() => {});
      if (signal.aborted) return;
      if (await this.#try()) renewed = this.#clock.now();
      else if (this.#clock.now() - renewed > deadlineMs) throw new LeadershipLostError(this.#options.name);
    }
  }

  async release(): Promise<void> {
    const { client, namespace, name, identity } = this.#options;
    try {
      const lease = await client.get(leases, { namespace, name });
      if (lease.spec?.holderIdentity !== identity) return;
      await client.update(leases, { ...lease, spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTimestamp(this.#clock.now()) } });
    } catch (error) {
      this.#options.log.debug({ error: messageOf(error) }, 'lease was not released; it will run out');
    }
  }

  /** One attempt to take or renew the lease; false when another holds it or the API does not answer. */
  async #try(): Promise<boolean> {
    const { client, namespace, name, log } = this.#options;
    try {
      const lease = await client.get(leases, { namespace, name }, AbortSignal.timeout(5000));
      if (!this.#mayTake(lease)) return false;
      await client.update(leases, { ...lease, spec: this.#claim(lease) }, { signal: AbortSignal.timeout(5000) });
      return true;
    } catch (error) {
      if (isNotFound(error)) return this.#create();
      if (!isConflict(error)) log.debug({ lease: name, error: messageOf(error) }, 'lease was not taken');
      return false;
    }
  }

  async #create(): Promise<boolean> {
    const { client, namespace, name } = this.#options;
    try {
      await client.create(leases, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { namespace, name }, spec: this.#claim(undefined) });
      return true;
    } catch (error) {
      if (!isAlreadyExists(error)) this.#options.log.debug({ lease: name, error: messageOf(error) }, 'lease was not created');
      return false;
    }
  }

  #mayTake(lease: Lease): boolean {
    const { holderIdentity: holder, renewTime } = lease.spec ?? {};
    if (holder === undefined || holder === '' || holder === this.#options.identity) return true;
    if (this.#seen?.holder !== holder || this.#seen.renewTime !== renewTime) {
      this.#seen = { holder, renewTime, at: this.#clock.now() };
      return false;
    }
    return this.#clock.now() - this.#seen.at > (lease.spec?.leaseDurationSeconds ?? this.#leaseMs / 1000) * 1000;
  }

  #claim(lease: Lease | undefined): NonNullable<Lease['spec']> {
    const now = microTimestamp(this.#clock.now());
    const mine = lease?.spec?.holderIdentity === this.#options.identity;
    return {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: Math.ceil(this.#leaseMs / 1000),
      acquireTime: mine ? (lease.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (lease?.spec?.leaseTransitions ?? 0) + (mine || lease === undefined ? 0 : 1),
    };
  }
}
