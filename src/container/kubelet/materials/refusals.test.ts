import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { UNSUPPORTED } from './refusals.ts';
import { SUPPORTED } from './volume-sources.ts';

it('docs/virtual-node.md names every field that is refused, and the volumes that are not', async () => {
  const text = await readFile(new URL('../../../../docs/virtual-node.md', import.meta.url), 'utf8');
  const rows = [...text.matchAll(/^\| `([^`]+)` \| (.*) \|$/gm)].map(([, field, why]) => `${field}: ${why}`);
  assert.deepEqual(rows, UNSUPPORTED.map(({ field, why }) => `${field}: ${why}`));
  for (const kind of SUPPORTED) assert.ok(text.includes(`\`${kind}\``), kind);
});
