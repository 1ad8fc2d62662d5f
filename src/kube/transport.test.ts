import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createAuthority, issueCertificate } from '../base/certificate.ts';
import { kubeconfigText } from '../local/kubeconfig.ts';
import { HttpTransport, loadKubeconfig } from './transport.ts';

test('calls that follow each other share one connection, and none is left after the end', async () => {
  const authority = await createAuthority('test-ca');
  const credentials = await issueCertificate(authority, { commonName: 'test', addresses: ['127.0.0.1'], usages: ['server', 'client'] });
  const server = https.createServer({ cert: credentials.certificate, key: credentials.key }, (_request, response) => response.end('{}'));
  let connections = 0;
  server.on('secureConnection', () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const folder = await mkdtemp(join(tmpdir(), 'yado-transport-'));
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, kubeconfigText({ name: 'test', server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, authorityCertificate: authority.certificate, credentials }));
  const transport = new HttpTransport(loadKubeconfig({ kubeconfig }));
  try {
    for (let call = 0; call < 3; call += 1) assert.equal(await transport.send({ method: 'GET', path: '/version' }), '{}');
    assert.equal(connections, 1);
  } finally {
    transport.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    await rm(folder, { recursive: true, force: true });
  }
});
