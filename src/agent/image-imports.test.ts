import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { CompiledImage } from '../api/compiled-guest.ts';
import { ImageError, type ImageStore, type ImportedImage } from '../vm/port.ts';
import type { Anchor } from './anchor.ts';
import { ImageImports } from './image-imports.ts';

const image: CompiledImage = { name: 'tiny', key: 'uid:1', source: { kind: 'file', path: '/tiny.tar' }, format: 'tar' };
const imported: ImportedImage = { path: '/images/tiny', format: 'tar', virtualSizeBytes: 7 };
const anchor = { uid: 'u1', key: 'ns/a' } as Anchor;
const { signal } = new AbortController();
const ignore = () => {};

function setUp() {
  const imports: { readonly gate: PromiseWithResolvers<ImportedImage>; readonly signal: AbortSignal }[] = [];
  const ended: string[] = [];
  const images: ImageStore = {
    ensure: (_image, options = {}) => {
      const gate = Promise.withResolvers<ImportedImage>();
      options.signal?.addEventListener('abort', () => gate.reject(options.signal?.reason));
      imports.push({ gate, signal: options.signal ?? signal });
      return gate.promise;
    },
    prune: () => Promise.resolve(0),
  };
  return { imports, ended, subject: new ImageImports({ images, onEnd: ({ key }) => ended.push(key), patienceMs: 10 }) };
}

test('gives an image that is there soon to whoever asks', async () => {
  const { imports, ended, subject } = setUp();
  const asked = subject.ensure(anchor, image, ignore, signal);
  imports[0]?.gate.resolve(imported);
  assert.equal(await asked, imported);
  assert.deepEqual(ended, []);
});

test('holds up no start for long, goes on importing and tells the end', async () => {
  const { imports, ended, subject } = setUp();
  for (let time = 0; time < 2; time += 1) await assert.rejects(subject.ensure(anchor, image, ignore, signal), { code: 'ImageImporting', disposition: 'wait' });
  assert.equal(imports.length, 1);
  imports[0]?.gate.resolve(imported);
  await delay(1);
  assert.deepEqual(ended, ['ns/a']);
  assert.equal(await subject.ensure(anchor, image, ignore, signal), imported);
  assert.equal(imports.length, 1);
});

test('tells a late failure to whoever asks next, and then tries anew', async () => {
  const { imports, ended, subject } = setUp();
  await assert.rejects(subject.ensure(anchor, image, ignore, signal), { code: 'ImageImporting' });
  imports[0]?.gate.reject(new ImageError('ImageUnreachable', 'no'));
  await delay(1);
  assert.deepEqual(ended, ['ns/a']);
  await assert.rejects(subject.ensure(anchor, image, ignore, signal), { code: 'ImageUnreachable' });
  void subject.ensure(anchor, image, ignore, signal).catch(ignore);
  assert.equal(imports.length, 2);
});

test('ends the import of an anchor that goes, whoever waits for it', async () => {
  const { imports, ended, subject } = setUp();
  const asked = subject.ensure(anchor, image, ignore, signal);
  subject.abandon(anchor);
  await assert.rejects(asked, /anchor ns\/a is going/);
  assert.equal(imports[0]?.signal.aborted, true);
  assert.deepEqual(ended, []);
});

test('goes on importing when the call that began it is aborted', async () => {
  const { imports, subject } = setUp();
  const call = new AbortController();
  const asked = subject.ensure(anchor, image, ignore, call.signal);
  call.abort();
  await assert.rejects(asked);
  assert.equal(imports[0]?.signal.aborted, false);
  imports[0]?.gate.resolve(imported);
  assert.equal(await subject.ensure(anchor, image, ignore, signal), imported);
});
