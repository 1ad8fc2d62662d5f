import path from 'node:path';
import type { Log } from '../base/log.ts';
import type { DiskStore } from '../vm/port.ts';
import type { Anchor } from './anchor.ts';
import { ConsoleForwarder } from './console-forwarder.ts';

export interface ConsoleForwardersOptions {
  readonly disks: DiskStore;
  /** Where the kubelet keeps container logs, /var/log/pods. */
  readonly podLogDirectory: string;
  readonly log: Log;
}

/** One forwarder for each guest that runs here. */
export class ConsoleForwarders implements Disposable {
  readonly #options: ConsoleForwardersOptions;
  readonly #open = new Map<string, ConsoleForwarder>();

  constructor(options: ConsoleForwardersOptions) {
    this.#options = options;
  }

  async open(anchor: Anchor): Promise<void> {
    if (this.#open.has(anchor.uid)) return;
    const consolePath = await this.#options.disks.consoleLogPath(anchor.folder);
    const logDirectory = path.join(this.#options.podLogDirectory, `${anchor.namespace}_${anchor.name}_${anchor.uid}`, 'guest');
    if (this.#open.has(anchor.uid)) return;
    this.#open.set(anchor.uid, new ConsoleForwarder({ consolePath, logDirectory, log: this.#options.log }));
  }

  async close(anchor: Anchor): Promise<void> {
    this.#open.get(anchor.uid)?.[Symbol.dispose]();
    this.#open.delete(anchor.uid);
  }

  [Symbol.dispose](): void {
    for (const forwarder of this.#open.values()) forwarder[Symbol.dispose]();
    this.#open.clear();
  }
}
