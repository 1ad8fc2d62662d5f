import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createCertificateRequest, subjectOf } from './certificate-request.ts';

it('asks for what it was told, and reads it back', async () => {
  const subject = { commonName: 'system:node:web.shop', organizations: ['system:nodes'], names: ['web.shop'], addresses: ['10.0.0.11'] };
  const { key, request } = await createCertificateRequest(subject);
  assert.match(key, /^-----BEGIN PRIVATE KEY-----/);
  assert.deepEqual(subjectOf(request), subject);
});

it('asks for no names where there are none', async () => {
  const subject = { commonName: 'system:node:web.shop', organizations: ['system:nodes'], names: [], addresses: [] };
  assert.deepEqual(subjectOf((await createCertificateRequest(subject)).request), subject);
});

it('reads no other text', () => {
  assert.equal(subjectOf('-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----'), undefined);
  assert.equal(subjectOf(''), undefined);
});
