import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { debianPackages, missingPackages, presenceOn } from './packages.ts';

describe('the check for Debian packages', () => {
  it('asks for a package when any of its programs is missing', () => {
    const missing = missingPackages(debianPackages, (what) => what !== 'birdc' && what !== 'tini');
    assert.deepEqual(missing.map(({ name }) => name), ['bird2', 'tini']);
  });

  it('asks for nothing where all programs are, whoever brought them', () => {
    assert.deepEqual(missingPackages(debianPackages, () => true), []);
  });

  it('looks for programs on the path and in the system folders', () => {
    const present = presenceOn('/nowhere');
    assert.ok(present('sh'));
    assert.ok(!present('no-such-program'));
    assert.ok(present('/etc/passwd'));
    assert.ok(!present('/etc/no-such-file'));
  });

  it('says what each package is for', () => {
    for (const { name, purpose, provides } of debianPackages) assert.ok(purpose.length > 3 && provides.length > 0, name);
  });
});
