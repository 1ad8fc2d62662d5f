import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { conformanceSuite } from '../env/conformance-suite.ts';
import { conformanceCore, conformanceTable, knownDifferences } from '../env/conformance-table.ts';

it('docs/virtual-node.md lists every known difference with its reason, and no other', async () => {
  const text = await readFile(new URL('../../docs/virtual-node.md', import.meta.url), 'utf8');
  const listed = [...text.matchAll(/^- (.*) \(((?:`[^`]+`(?:, )?)+)\)$/gm)].flatMap(([, reason, names = '']) => [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => `${name}: ${reason}`));
  assert.deepEqual(listed.sort(), [...new Set(knownDifferences().map(({ name, reason }) => `${name}: ${reason}`))].sort());
  assert.match(text, new RegExp(`\\b${Object.values(conformanceTable).flat().length} pods`));
});

/** A few pods of the table; all of them are run by `npm run test:soak`. */
conformanceSuite('a virtual node beside a kubelet', { table: conformanceCore, deadlineMs: 240_000, timeoutMs: 1_150_000 });
