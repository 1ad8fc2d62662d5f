import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { lackOfNfsClient } from '../../src/storage/drivers/nfs/nfs-client.ts';
import { run } from '../../src/base/process.ts';
import { DemoRuns } from '../env/demo-runs.ts';
import { tracesOf } from '../env/leftovers.ts';

/** Takes minutes; what it shows has tests of its own that run with every `npm test`. */
describe('yado demo --demo shared', { timeout: 1_200_000 }, () => {
  let runs: DemoRuns;
  before(async () => {
    runs = await DemoRuns.start();
  });
  after(async () => {
    await runs?.[Symbol.asyncDispose]();
  });

  it('shows one volume in a machine and in pods of two nodes, and a disk that comes, grows and is copied while its machine runs', async () => {
    const before = await run('losetup', ['--list']);
    const { ended } = runs.start('demo', '--demo', 'shared', '--once', '--nodes', '2');
    const plan = await runs.plan();
    const result = await ended;
    assert.equal(result.code, 0, result.stderr);
    const rows = result.stdout.split('\n').filter((line) => /^(media|files|disk) /.test(line));
    const hasNfs = await lackOfNfsClient() === undefined;
    assert.deepEqual(rows.map((row) => row.split(/ {2,}/)[0]?.trim()), ['media', 'media', 'media', ...(hasNfs ? ['files', 'files', 'files'] : []), 'disk', 'disk'], result.stdout);
    assert.equal(/Not shown: files, a volume on NFS: the kernel .* has no NFS client/.test(result.stdout), !hasNfs);
    assert.match(rows.join('\n'), /each reads those of all others[\s\S]*the others could not[\s\S]*(Disk quota exceeded|No space left on device)[\s\S]*grew to 96Mi under load[\s\S]*reads what was written/);
    assert.deepEqual(await tracesOf(plan, runs.layout), []);
    assert.ok(!existsSync(runs.layout.root));
    assert.equal(await run('losetup', ['--list']), before, 'devices of the host');
  });
});
