import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../src/base/process.ts';

const CONNECT_SECONDS = 20;

/** A pair of keys, as a user has it, and what logs in with it: OpenSSH's own client. */
export class SshUser implements AsyncDisposable {
  readonly publicKey: string;
  readonly #folder: string;

  private constructor(folder: string, publicKey: string) {
    this.#folder = folder;
    this.publicKey = publicKey;
  }

  static async create(comment: string): Promise<SshUser> {
    const folder = await mkdtemp(join(tmpdir(), 'yado-ssh-'));
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', join(folder, 'key')]);
    return new SshUser(folder, (await readFile(join(folder, 'key.pub'), 'utf8')).trim());
  }

  /** What the command prints; rejects where the key is not taken. */
  async run(address: string, command: string): Promise<string> {
    const [program, ...args] = this.call(address, command);
    return (await run(program, args)).trimEnd();
  }

  /** The same for whoever calls it somewhere else. */
  call(address: string, command: string): readonly [string, ...string[]] {
    const options = ['BatchMode=yes', 'IdentitiesOnly=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR', `ConnectTimeout=${CONNECT_SECONDS}`];
    return ['ssh', '-F', 'none', '-i', join(this.#folder, 'key'), ...options.flatMap((option) => ['-o', option]), `root@${address}`, command];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
