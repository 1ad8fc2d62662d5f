import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../src/base/process.ts';

const PATIENCE_MS = 300_000;

/** OpenStack's own command, as the user of a clouds.yaml. */
export class OpenStackCommand implements AsyncDisposable {
  readonly #folder: string;
  readonly #cloud: string;

  private constructor(folder: string, cloud: string) {
    this.#folder = folder;
    this.#cloud = cloud;
  }

  static async of(cloudsYaml: string, cloud: string): Promise<OpenStackCommand> {
    const folder = await mkdtemp(join(tmpdir(), 'yado-'));
    await writeFile(join(folder, 'clouds.yaml'), cloudsYaml, { mode: 0o600 });
    return new OpenStackCommand(folder, cloud);
  }

  /** What it prints with `-f json`. */
  async json<T>(...words: readonly string[]): Promise<T> {
    const env = { ...process.env, OS_CLIENT_CONFIG_FILE: join(this.#folder, 'clouds.yaml') };
    return JSON.parse(await run('/usr/bin/python3', ['/usr/bin/openstack', '--os-cloud', this.#cloud, ...words, '-f', 'json'], { env, timeoutMs: PATIENCE_MS })) as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
