import { generateKeyPairSync } from 'node:crypto';
import type { OpenStackApi } from '../api.ts';

export const keypairs = ['laptop', 'pipeline'] as const;

/** Two keys for SSH; nobody keeps their private halves. */
export async function makeKeypairs(tenant: OpenStackApi): Promise<void> {
  for (const name of keypairs) await tenant.post('compute', '/os-keypairs', { keypair: { name, type: 'ssh', public_key: `${sshPublicKey()} ${name}` } });
}

/** A new key of the kind ssh-ed25519, as RFC 8709 writes it. */
function sshPublicKey(): string {
  const point = generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  return `ssh-ed25519 ${Buffer.concat([field(Buffer.from('ssh-ed25519')), field(point)]).toString('base64')}`;
}
