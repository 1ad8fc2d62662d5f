import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloudInitSeed } from '../port.ts';
import { seedFiles, seedLabel } from './seed.ts';

const seed: CloudInitSeed = { instanceId: 'i', hostname: 'web', userData: '#!/bin/sh\n', sshKeys: ['ssh-ed25519 AAAA alice'] };

test('a NoCloud seed says what the guest is, and no more than was given', () => {
  assert.deepEqual([...seedFiles(seed)], [['meta-data', 'instance-id: "i"\nlocal-hostname: "web"\npublic-keys:\n  - "ssh-ed25519 AAAA alice"\n'], ['user-data', '#!/bin/sh\n']]);
  assert.match(seedFiles({ ...seed, availabilityZone: 'zone-1', metadata: { role: 'web' } }).get('meta-data') ?? '', /\navailability-zone: "zone-1"\nmeta: \{"role":"web"\}\n$/);
});

test('the label is what cloud-init looks for', () => {
  assert.deepEqual([seedLabel(seed), seedLabel({ ...seed, layout: 'configDrive' })], ['cidata', 'config-2']);
});
