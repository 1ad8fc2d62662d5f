import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { probeAcceleration } from './acceleration.ts';

const folder = await mkdtemp(join(tmpdir(), 'yado-acceleration-'));
after(() => rm(folder, { recursive: true, force: true }));

test('the probing guest reaches 64-bit mode where it can run', async () => {
  assert.equal(await probeAcceleration({ stateFolder: join(folder, 'sound'), accelerator: 'tcg', timeoutMs: 20_000 }), 'kvm');
});

test('without a QEMU that starts there is no KVM, and the answer holds until the host boots anew', async () => {
  const stateFolder = join(folder, 'cached');
  assert.equal(await probeAcceleration({ stateFolder, qemuPath: join(folder, 'none') }), 'tcg');
  assert.equal(await probeAcceleration({ stateFolder, accelerator: 'tcg' }), 'tcg');
  await writeFile(join(stateFolder, 'acceleration.json'), JSON.stringify({ boot: 'an earlier one', acceleration: 'tcg' }));
  assert.equal(await probeAcceleration({ stateFolder, accelerator: 'tcg', timeoutMs: 20_000 }), 'kvm');
});
