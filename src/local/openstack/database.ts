import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../../base/process.ts';
import { DATABASE_SOCKET } from './conf/common.ts';
import { insideOf } from './namespace.ts';
import type { OpenStackPlace } from './place.ts';

const PROBE_MS = 100;

/** The databases of all services, as their administrator. */
export class Database {
  readonly #place: OpenStackPlace;

  constructor(place: OpenStackPlace) {
    this.#place = place;
  }

  /** Rows as lines, their fields divided by tabs. */
  sql(...statements: readonly string[]): Promise<string> {
    const [file = '', ...args] = insideOf(this.#place, ['mariadb', '--no-defaults', '--user=root', `--socket=${DATABASE_SOCKET}`, '--batch', '--skip-column-names']);
    return run(file, args, { input: statements.join('\n'), cwd: '/' });
  }

  /** Resolves once it answers; rejects only when the signal aborts. */
  async answering(signal: AbortSignal): Promise<void> {
    while (await this.sql('SELECT 1').then(() => false, () => true)) await delay(PROBE_MS, undefined, { signal });
  }
}
