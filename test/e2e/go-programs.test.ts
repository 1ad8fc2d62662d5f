import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { silentProgress } from '../../src/base/progress.ts';
import { run } from '../../src/base/process.ts';
import { goEnvironment } from '../../src/local/images/go-program.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { ensureGo } from '../../src/local/toolchain/go.ts';

const sources = join(import.meta.dirname, '../../src/bin');
const programs = readdirSync(sources, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name);

describe('our Go programs', { timeout: 600_000 }, () => {
  const options = { cache: defaultCacheRoot, environment: process.env, progress: silentProgress };
  let go: string;

  before(async () => {
    go = await ensureGo(options);
  });

  for (const program of programs) {
    it(`${program} is sound, and passes the tests beside it`, async () => {
      const settings = { cwd: join(sources, program), env: goEnvironment(options), timeoutMs: 300_000 };
      await run(go, ['vet', './...'], settings);
      await run(go, ['test', './...'], settings);
    });
  }
});
