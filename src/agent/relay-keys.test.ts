import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ensureRelayKeys, filesForRelay } from './relay-keys.ts';

describe('the keys of a guest that is reached over the network', () => {
  let folder: string;
  before(async () => void (folder = await mkdtemp(join(tmpdir(), 'yado-relay-keys-'))));
  after(() => rm(folder, { recursive: true }));

  it('are made once, for this guest, and are nobody else’s to read', async () => {
    const keys = await ensureRelayKeys(folder, '1-2');
    assert.deepEqual(await ensureRelayKeys(folder, '1-2'), keys);
    assert.deepEqual(await readdir(folder), ['relay-keys.json']);
    assert.equal((await stat(join(folder, 'relay-keys.json'))).mode & 0o777, 0o600);
    const authority = new X509Certificate(keys.authority);
    const guest = new X509Certificate(keys.guest.certificate);
    assert.ok(guest.verify(authority.publicKey) && new X509Certificate(keys.host.certificate).verify(authority.publicKey));
    assert.equal(guest.checkHost('1-2'), '1-2');
  });

  it('are of an authority that signs nothing else, and whose key nobody keeps', async () => {
    const [one, other] = await Promise.all(['1', '2'].map(async (uid) => ensureRelayKeys(await mkdtemp(join(folder, 'guest-')), uid)));
    assert.equal(new X509Certificate(one?.guest.certificate ?? '').verify(new X509Certificate(other?.authority ?? '').publicKey), false);
    assert.deepEqual(Object.keys(one ?? {}).sort(), ['authority', 'guest', 'host']);
  });

  it('come to the guest without those of the host', async () => {
    const keys = await ensureRelayKeys(folder, '1-2');
    const files = filesForRelay(keys);
    assert.deepEqual(Object.keys(files), ['relay-cert.pem', 'relay-key.pem', 'relay-client-ca.pem']);
    assert.ok(Object.values(files).every((text) => !text.includes(keys.host.key)));
  });
});
