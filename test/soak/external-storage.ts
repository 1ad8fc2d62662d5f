import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { run } from '../../src/base/process.ts';
import { lackOfNfsClient } from '../../src/storage/drivers/nfs/nfs-client.ts';
import { startTestCluster, type TestCluster } from '../env/cluster.ts';
import { externalDrivers } from '../env/external-drivers.ts';
import { externalTests } from '../env/external-tests.ts';
import { runExternal } from '../env/external-run.ts';

const root = join(import.meta.dirname, '../..');
const yado = join(root, 'src/bin/yado.ts');
/** Names of drivers, to run only these; and a part of the tests' names. */
const chosen = process.env['YADO_EXTERNAL_DRIVERS']?.split(',');
const focus = process.env['YADO_EXTERNAL_FOCUS'];
const timeout = process.env['YADO_EXTERNAL_TIMEOUT'];
const noNfs = await lackOfNfsClient();
const reasonToSkip = (name: string): string | false => (chosen?.includes(name) === false ? 'not chosen' : name === 'nfs' && noNfs !== undefined ? noNfs : false);
const wanted = externalDrivers.filter(({ name }) => reasonToSkip(name) === false).map(({ name }) => name);
/** Features that the drivers have. */
const LABELS = 'Feature: isSubsetOf {VolumeSnapshotDataSource, VolumeSourceXFS} && FeatureGate: isEmpty && !Slow && !Serial && !Disruptive';

/** Kubernetes' own tests of storage drivers, from its pinned module, on a local cluster: `npm run test:soak -- external-storage`. They wait most of the time, so drivers have theirs at once. */
describe('the external storage tests of Kubernetes', { timeout: 4 * 3_600_000, concurrency: true }, () => {
  let cluster: TestCluster;
  let program: string;

  before(async () => {
    const { images, ...tests } = await externalTests();
    program = tests.program;
    cluster = await startTestCluster({ name: 'external', storage: ['local'], images: [images], timeout: 1200 });
    for (const [server, drivers] of Object.entries({ ceph: ['rbd', 'cephfs'], nfs: ['nfs'] })) {
      if (wanted.some((name) => drivers.includes(name))) await run(process.execPath, [yado, 'storage', 'add', server, '--name', cluster.status.name, '--state-root', cluster.folder], { timeoutMs: 1_200_000 });
    }
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  for (const driver of externalDrivers) {
    it(`pass for ${driver.name}, but for what is known`, { skip: reasonToSkip(driver.name) }, async () => {
      const { passed, failed, skipped } = await runExternal({
        driver, program, kubeconfig: cluster.status.kubeconfig, binaries: dirname(cluster.kubectlPath), labels: LABELS, onProgress: (line) => console.log(`${driver.name}: ${line}`),
        ...(timeout === undefined ? {} : { timeout }),
        ...(focus === undefined ? {} : { focus: `External.Storage.*${focus}` }),
      });
      console.log(`${driver.name}: ${passed} of ${passed + failed.length} passed; ${skipped} are not for a driver like this`);
      for (const { name, message } of failed) console.log(`${driver.name}: FAILED ${name}\n  ${message.replaceAll('\n', '\n  ')}`);
      const surprising = failed.filter(({ name }) => !Object.keys(driver.known).some((part) => name.includes(part)));
      assert.deepEqual(surprising.map(({ name }) => name), []);
      assert.ok(passed > 0, 'no test has run');
    });
  }
});
