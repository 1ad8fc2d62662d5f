import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { errnoOf } from '../../base/errors.ts';
import type { RequestedSubject } from '../../kube/certificate-request.ts';
import type { KubeClient } from '../../kube/client.ts';
import { signedCertificate, type SignedCertificate } from './node-identity.ts';

type Kind = 'client' | 'server';

interface Kept {
  readonly subject: RequestedSubject;
  readonly signed: SignedCertificate;
}

type Certificates = Readonly<Partial<Record<Kind, Kept>>>;

const FILE = 'node-certificates.json';

/**
 * The certificates of a node, kept in the folder of its machine as a kubelet keeps its own: the node goes on, and an
 * agent that starts again takes it up, while nobody signs any.
 */
export class NodeCertificates {
  readonly #file: string;
  readonly #clock: Clock;
  #known: Certificates | undefined;

  constructor(folder: string, clock: Clock) {
    this.#file = join(folder, FILE);
    this.#clock = clock;
  }

  /** One that is kept and is not to be renewed yet, or a new one that `client` asks for. */
  async get(kind: Kind, client: KubeClient, subject: RequestedSubject, signal: AbortSignal): Promise<SignedCertificate> {
    const known = this.#known ??= await this.#read();
    const kept = known[kind];
    if (kept !== undefined && JSON.stringify(kept.subject) === JSON.stringify(subject) && this.#clock.now() < kept.signed.renewAt) return kept.signed;
    const signed = await signedCertificate(client, kind, subject, this.#clock, signal);
    // A node serves with what it asked for as itself: the one goes with the other, and outlasts it.
    this.#known = kind === 'client' ? { client: { subject, signed } } : { ...known, server: { subject, signed } };
    await this.#write(this.#known);
    return signed;
  }

  /** The API server does not take them. */
  async forget(): Promise<void> {
    this.#known = {};
    await rm(this.#file, { force: true });
  }

  async #read(): Promise<Certificates> {
    try {
      return JSON.parse(await readFile(this.#file, 'utf8')) as Certificates;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return {};
      throw error;
    }
  }

  /** A machine whose folder is gone is going itself. */
  async #write(certificates: Certificates): Promise<void> {
    try {
      await writeFile(`${this.#file}.tmp`, JSON.stringify(certificates), { mode: 0o600 });
      await rename(`${this.#file}.tmp`, this.#file);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
}
