import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock, type Clock } from '../../base/clock.ts';
import type { KubeClient } from '../../kube/client.ts';
import { NodeCertificates } from './node-certificates.ts';
import { nodeSubject } from './node-identity.ts';

const DAY_MS = 86_400_000;

describe('the certificates of a node', () => {
  let folder: string;
  let signed = 0;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-certificates-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** Signs at once; what it is asked for is all that is used of it. */
  const client = {
    create: async () => ({ metadata: { name: `request-${signed += 1}` } }),
    get: async (_resource: unknown, { name }: { readonly name: string }) => ({ status: { certificate: Buffer.from(name).toString('base64') } }),
  } as unknown as KubeClient;
  const signal = new AbortController().signal;
  const at = (now: () => number): Clock => ({ ...systemClock, now });
  const fresh = (now = Date.now) => new NodeCertificates(folder, at(now));

  it('are taken up by whoever comes after, while nobody signs any', async () => {
    const subject = nodeSubject('shell.web');
    const first = await fresh().get('client', client, subject, signal);
    const serving = await fresh().get('server', client, nodeSubject('shell.web', ['10.0.0.1']), signal);
    const nobody = { create: () => Promise.reject(new Error('nobody signs')) } as unknown as KubeClient;
    assert.deepEqual(await fresh().get('client', nobody, subject, signal), first);
    assert.deepEqual(await fresh().get('server', nobody, nodeSubject('shell.web', ['10.0.0.1']), signal), serving);
    assert.equal((await stat(join(folder, 'node-certificates.json'))).mode & 0o777, 0o600);
  });

  it('are asked for anew for another address, in time, and when they are not taken', async () => {
    const subject = nodeSubject('shell.web');
    const before = await fresh().get('client', client, subject, signal);
    assert.notEqual((await fresh().get('server', client, nodeSubject('shell.web', ['10.0.0.2']), signal)).certificate, before.certificate);
    const later = await fresh(() => Date.now() + DAY_MS).get('client', client, subject, signal);
    assert.notEqual(later.certificate, before.certificate);
    const serving = await fresh().get('server', client, nodeSubject('shell.web', ['10.0.0.2']), signal);
    assert.equal(serving.certificate, `request-${signed}`, 'one that serves goes with who asked for it');
    const certificates = fresh();
    await certificates.forget();
    assert.equal((await certificates.get('client', client, subject, signal)).certificate, `request-${signed}`);
  });
});
