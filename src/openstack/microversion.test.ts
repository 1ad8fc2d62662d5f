import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from './errors.ts';
import { recorded } from './fake-cloud.ts';
import { compareMicroversions, negotiate, offeredRange } from './microversion.ts';

test('2.10 is newer than 2.9', () => {
  assert.ok(compareMicroversions('2.10', '2.9') > 0);
  assert.ok(compareMicroversions('3.0', '2.93') > 0);
  assert.equal(compareMicroversions('2.1', '2.1'), 0);
});

test('version documents of real services say what they offer', () => {
  assert.deepEqual(offeredRange('compute', 2, recorded('versions-compute').body), { minimum: '2.1', maximum: '2.93' });
  assert.deepEqual(offeredRange('volume', 3, recorded('versions-volumev3').body), { minimum: '3.0', maximum: '3.70' });
  assert.deepEqual(offeredRange('image', 2, recorded('versions-image').body), { minimum: '2.0', maximum: '2.15' });
});

test('the document of one version, and one with max_version, are understood too', () => {
  assert.deepEqual(offeredRange('compute', 2, { version: { id: 'v2.1', version: '2.53', min_version: '2.1' } }), { minimum: '2.1', maximum: '2.53' });
  assert.deepEqual(offeredRange('placement', 1, { versions: [{ id: 'v1.0', max_version: '1.39', min_version: '1.0' }] }), { minimum: '1.0', maximum: '1.39' });
});

test('a service of another major version offers nothing', () => {
  assert.equal(offeredRange('volume', 3, { versions: [{ id: 'v2.0', version: '', min_version: '' }] }), undefined);
});

const OURS = { minimum: '2.10', maximum: '2.93' } as const;

test('the highest that both know is spoken', () => {
  assert.equal(negotiate('compute', OURS, { minimum: '2.1', maximum: '2.100' }), '2.93');
  assert.equal(negotiate('compute', OURS, { minimum: '2.1', maximum: '2.53' }), '2.53');
  assert.equal(negotiate('compute', OURS, { minimum: '2.93', maximum: '2.95' }), '2.93');
});

test('a service that is too old or too new is refused, saying what it offers', () => {
  for (const theirs of [{ minimum: '2.1', maximum: '2.9' }, { minimum: '2.94', maximum: '2.99' }] as const) {
    assert.throws(() => negotiate('compute', OURS, theirs), (error: unknown) => hasCode(error, 'MicroversionUnsupported') && error.disposition === 'stalled' && error.message.includes(`${theirs.minimum} to ${theirs.maximum}`) && error.message.includes('2.10 to 2.93'));
  }
});
