import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { messageOf } from './errors.ts';
import { CommandError, run } from './process.ts';

describe('a program that is run', () => {
  it('gives what it prints, and takes its input', async () => assert.equal(await run('sh', ['-c', 'read -r line; echo "$line, $WHO"'], { input: 'hello\n', env: { ...process.env, WHO: 'you' } }), 'hello, you\n'));

  it('fails with its exit code and its last word', () => assert.rejects(run('sh', ['-c', 'echo one >&2; echo two >&2; exit 3']), (error) => error instanceof CommandError && error.exitCode === 3 && error.message.endsWith('failed with exit code 3: two')));

  it('is ended when it takes too long', () => assert.rejects(run('sleep', ['100'], { timeoutMs: 50 }), (error) => messageOf(error) === 'sleep 100 failed: ended by SIGKILL'));

  it('keeps nobody waiting when it cannot be started', async () => {
    await assert.rejects(run('no-such-program', [], { timeoutMs: 30_000 }), (error) => error instanceof CommandError && error.exitCode === null);
    assert.ok(!process.getActiveResourcesInfo().includes('Timeout'), process.getActiveResourcesInfo().join());
  });

  it('says no more than is wanted', async () => assert.equal((await run('sh', ['-c', 'head -c 300000 /dev/zero'], { maxOutputBytes: 1 })).length < 300_000, true));
});
