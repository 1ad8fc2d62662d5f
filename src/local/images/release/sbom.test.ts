import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spdxDocument } from './sbom.ts';

const image = { name: 'yadokari-operator', version: '1.0.0', purl: 'pkg:oci/yadokari-operator@1.0.0' };
const part = { name: 'libc6', version: '2.36', purl: 'pkg:deb/debian/libc6@2.36?arch=amd64', sha256: 'b'.repeat(64) };

test('the image contains its parts, each with an identifier that SPDX allows', () => {
  const document = JSON.parse(spdxDocument(image, [part])) as { readonly packages: readonly { readonly SPDXID: string }[]; readonly relationships: readonly { readonly relationshipType: string }[] };
  for (const { SPDXID } of document.packages) assert.match(SPDXID, /^SPDXRef-[A-Za-z0-9.-]+$/);
  assert.deepEqual(document.relationships.map(({ relationshipType }) => relationshipType), ['DESCRIBES', 'CONTAINS']);
});

test('the same parts give the same text, others another namespace', () => {
  assert.equal(spdxDocument(image, [part]), spdxDocument(image, [part]));
  const namespace = (text: string) => (JSON.parse(text) as { readonly documentNamespace: string }).documentNamespace;
  assert.notEqual(namespace(spdxDocument(image, [])), namespace(spdxDocument(image, [part])));
});
