import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { networkPlan } from './network-plan.ts';
import { controlPlaneCertificates, nodeCertificates, Pki } from './pki.ts';

describe('the cluster\'s certificates', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-pki-'));
  });
  after(() => rm(folder, { recursive: true }));

  const pkiOf = async (name: string) => {
    const pki = new Pki(join(folder, name));
    await pki.ensureAuthorities();
    return pki;
  };
  const certificate = async (pki: Pki, name: string) => new X509Certificate(await readFile(pki.path(`${name}.crt`)));

  it('are signed by their authority, for the addresses of the plan', async () => {
    const pki = await pkiOf('signed');
    await pki.ensure(controlPlaneCertificates(networkPlan(3)));
    const [server, authority, etcd] = await Promise.all([certificate(pki, 'apiserver'), certificate(pki, 'cluster-ca'), certificate(pki, 'etcd-server')]);
    assert.ok(server.verify(authority.publicKey));
    assert.ok(!etcd.verify(authority.publicKey));
    assert.equal(server.checkIP('10.55.3.1'), '10.55.3.1');
    assert.equal(server.checkHost('kubernetes.default.svc'), 'kubernetes.default.svc');
    assert.ok(authority.ca && !server.ca);
  });

  it('carry the names that authorization goes by', async () => {
    const pki = await pkiOf('names');
    await pki.ensure({ ...nodeCertificates(networkPlan(0), 'n2', 2), ...controlPlaneCertificates(networkPlan(0)) });
    const subject = async (name: string) => (await certificate(pki, name)).subject.split('\n').sort();
    assert.deepEqual(await subject('n2-kubelet-client'), ['CN=system:node:n2', 'O=system:nodes']);
    assert.deepEqual(await subject('n2-agent'), ['CN=yadokari:agent:n2', 'O=yadokari:agents']);
    assert.deepEqual(await subject('operator'), ['CN=yadokari:operator', 'O=yadokari:operators']);
    assert.equal((await certificate(pki, 'n2-kubelet-server')).checkIP('10.55.0.12'), '10.55.0.12');
  });

  it('are kept while they are good', async () => {
    const pki = await pkiOf('kept');
    await pki.ensure(controlPlaneCertificates(networkPlan(0)));
    const before = await pki.pair('admin');
    await pki.ensureAuthorities();
    await pki.ensure(controlPlaneCertificates(networkPlan(0)));
    assert.deepEqual(await pki.pair('admin'), before);
  });

  it('are made anew when addresses change or the end is near', async () => {
    const pki = await pkiOf('renewed');
    await pki.ensure(controlPlaneCertificates(networkPlan(0)));
    const [apiserver, admin] = await Promise.all([pki.pair('apiserver'), pki.pair('admin')]);
    await pki.ensure(controlPlaneCertificates(networkPlan(1)));
    assert.notEqual((await pki.pair('apiserver')).certificate, apiserver.certificate);
    assert.equal((await pki.pair('admin')).certificate, admin.certificate);
    await pki.ensure(controlPlaneCertificates(networkPlan(1)), Date.now() + 340 * 86_400_000);
    assert.notEqual((await pki.pair('admin')).certificate, admin.certificate);
  });

  it('and keys are readable by their owner alone', async () => {
    const pki = await pkiOf('modes');
    await pki.ensure(controlPlaneCertificates(networkPlan(0)));
    for (const file of ['cluster-ca.key', 'admin.key', 'service-account.key']) assert.equal((await stat(pki.path(file))).mode & 0o777, 0o600);
  });
});
