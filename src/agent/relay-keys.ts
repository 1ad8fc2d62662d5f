import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyPair } from '../base/certificate.ts';
import { errnoOf } from '../base/errors.ts';

/** What a guest and its host show each other when the way in is the network. Each guest has an authority of its own, so the keys of one open no other. */
export interface RelayKeys {
  /** PEM of the certificate that signs both. */
  readonly authority: string;
  readonly guest: KeyPair;
  readonly host: KeyPair;
}

/** Guests that are nodes have keys from their first start to the end of their disks. */
const VALID_DAYS = 3650;
const FILE = 'relay-keys.json';

/** The keys of the guest with this uid, made when its folder has none yet. */
export async function ensureRelayKeys(folder: string, uid: string): Promise<RelayKeys> {
  const file = join(folder, FILE);
  const known = await readFile(file, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error;
  });
  if (known !== undefined) return JSON.parse(known) as RelayKeys;
  // Heavy to load, and seldom needed.
  const { createAuthority, issueCertificate } = await import('../base/certificate.ts');
  const authority = await createAuthority(`relay of ${uid}`, VALID_DAYS);
  const [guest, host] = await Promise.all([
    issueCertificate(authority, { commonName: uid, names: [uid], usages: ['server'], validDays: VALID_DAYS }),
    issueCertificate(authority, { commonName: 'host', usages: ['client'], validDays: VALID_DAYS }),
  ]);
  const keys: RelayKeys = { authority: authority.certificate, guest, host };
  await writeFile(`${file}.tmp`, JSON.stringify(keys), { mode: 0o600 });
  await rename(`${file}.tmp`, file);
  return keys;
}

/** Names and content of the files that the relay looks for in a guest. */
export function filesForRelay({ authority, guest }: RelayKeys): Readonly<Record<string, string>> {
  return { 'relay-cert.pem': guest.certificate, 'relay-key.pem': guest.key, 'relay-client-ca.pem': authority };
}
