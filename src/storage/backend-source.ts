import { isDeepStrictEqual } from 'node:util';
import type { StorageBackendSpec } from '../api/storage-backend.ts';
import type { StorageDriverKind } from '../api/storage-drivers.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { isNotFound } from '../kube/api-error.ts';
import type { KubeClient } from '../kube/client.ts';
import { secrets } from '../kube/core.ts';
import { storageBackends } from '../kube/yadokari.ts';
import { StorageError } from './port.ts';

export interface BackendSourceOptions {
  readonly client: KubeClient;
  /** Name of the StorageBackend. */
  readonly name: string;
  readonly kind: StorageDriverKind;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a driver is opened with. */
export interface BackendDescription {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly secret: Readonly<Record<string, string>>;
}

const LOOK_MS = 10_000;
const WAIT_MS = 1000;

/** The StorageBackend of a driver and its Secret. Both are small and change hardly ever: they are asked for, not watched. */
export class BackendSource {
  readonly #options: BackendSourceOptions;

  constructor(options: BackendSourceOptions) {
    this.#options = options;
  }

  /** Waits until there is such a backend with all that it needs. */
  async wait(signal: AbortSignal): Promise<BackendDescription> {
    const { clock, log, name } = this.#options;
    for (let said = ''; ; await clock.sleep(WAIT_MS, signal)) {
      try {
        return await this.#read(signal);
      } catch (error) {
        signal.throwIfAborted();
        const why = messageOf(error);
        if (why !== said) log.warn({ backend: name, error: why }, 'there is nothing to serve yet');
        said = why;
      }
    }
  }

  /** Resolves once it is otherwise than described. Somebody who cannot be asked has changed nothing. */
  async untilChanged(described: BackendDescription, signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#options.clock.sleep(LOOK_MS, signal);
      const now = await this.#read(signal).catch((error: unknown) => (error instanceof StorageError ? undefined : described));
      if (!isDeepStrictEqual(now, described)) return;
    }
  }

  /** Rejects with a StorageError where something is missing in the API. */
  async #read(signal: AbortSignal): Promise<BackendDescription> {
    const { client, name, kind } = this.#options;
    const { spec } = await client.get(storageBackends, { name }, signal).catch((error: unknown) => missing(error, `there is no StorageBackend ${name}`));
    const settings = settingsOf(spec, kind);
    if (settings === undefined) throw new StorageError('InvalidRequest', `StorageBackend ${name} is not of a kind that the driver ${kind} serves`);
    const { secret: reference, ...rest } = settings as { readonly secret?: { readonly name: string; readonly namespace: string } } & Record<string, unknown>;
    if (reference === undefined) return { settings: rest, secret: {} };
    const { data = {} } = await client.get(secrets, reference, signal).catch((error: unknown) => missing(error, `there is no Secret ${reference.namespace}/${reference.name}, which StorageBackend ${name} names`));
    return { settings: rest, secret: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')])) };
  }
}

function settingsOf(spec: StorageBackendSpec, kind: StorageDriverKind): object | undefined {
  return kind === 'rbd' || kind === 'cephfs' ? spec.ceph : spec[kind];
}

function missing(error: unknown, what: string): never {
  if (isNotFound(error)) throw new StorageError('InvalidRequest', what, { cause: error });
  throw error;
}
