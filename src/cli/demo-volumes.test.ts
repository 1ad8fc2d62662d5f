import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../kube/object.ts';
import { withoutClasses } from './demo-volumes.ts';

const example = parseAllDocuments(await readFile(join(import.meta.dirname, '../../deploy/examples/shared.yaml'), 'utf8')).map((document) => document.toJS() as KubeObject);

test('an example is shown without what a kernel cannot mount, and all else of it stays', () => {
  const { shown, leftOut } = withoutClasses(example, (name) => name === 'nfs');
  assert.deepEqual(leftOut, ['files']);
  assert.equal(shown.length, example.length - 1);
  assert.doesNotMatch(JSON.stringify(shown.map(({ spec }: KubeObject & { readonly spec?: Readonly<Record<string, unknown>> }) => [spec?.['filesystems'], spec?.['volumes'], (spec?.['containers'] as readonly { readonly volumeMounts: unknown }[] | undefined)?.map(({ volumeMounts }) => volumeMounts)])), /"files"/);
  const { spec } = shown.find(({ kind }) => kind === 'VirtualMachine') as KubeObject & { readonly spec: { readonly filesystems: unknown } };
  assert.deepEqual(spec.filesystems, [{ name: 'media', persistentVolumeClaim: 'media' }]);
});

test('one of which nothing is left out is as it was', () => assert.deepEqual(withoutClasses(example, () => false), { shown: example, leftOut: [] }));
