import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { withLock } from './lock.ts';

describe('a lock', () => {
  it('lets one in at a time', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'yado-lock-'));
    let inside = 0;
    let most = 0;
    await Promise.all([1, 2, 3].map(() => withLock(join(folder, 'lock'), async () => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setTimeout(resolve, 20));
      inside -= 1;
    })));
    assert.equal(most, 1);
    await rm(folder, { recursive: true });
  });

  it('is free again when its holder is killed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'yado-lock-'));
    const path = join(folder, 'lock');
    const script = `import { withLock } from ${JSON.stringify(join(import.meta.dirname, 'lock.ts'))}; await withLock(${JSON.stringify(path)}, async () => { console.log('held'); await new Promise((resolve) => setTimeout(resolve, 60_000)); });`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    holder.kill('SIGKILL');
    assert.equal(await withLock(path, async () => 'mine', { signal: AbortSignal.timeout(5000) }), 'mine');
    await rm(folder, { recursive: true });
  });
});
