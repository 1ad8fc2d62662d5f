import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { previousRelease, releasedDefinitions, releasesFolder } from '../../tools/releases.ts';
import { kinds } from '../api/kinds.ts';
import { incompatibilities, type ComparedDefinition, type Incompatibility } from './compatibility.ts';
import { toCustomResourceDefinition } from './kind.ts';

interface Definition {
  readonly metadata: { readonly name: string };
  readonly spec: ComparedDefinition;
}

interface AllowedRule extends Pick<Incompatibility, 'path' | 'rule'> {
  readonly definition: string;
  readonly reason: string;
}

const release = previousRelease();
const allowed = parse(readFileSync(join(releasesFolder, 'allowed-rules.yaml'), 'utf8')) as readonly AllowedRule[];
const present = new Map(kinds.map((kind) => toCustomResourceDefinition(kind) as unknown as Definition).map((definition) => [definition.metadata.name, definition]));

describe(`the definitions beside those of release ${release}`, () => {
  let released: ReadonlyMap<string, Definition>;
  /** What is new in a definition's rules, or broken. */
  const found: (Incompatibility & { readonly definition: string })[] = [];
  const isAllowed = ({ definition, path, rule }: typeof found[number]): boolean =>
    allowed.some((entry) => rule !== undefined && entry.definition === definition && entry.path === path && entry.rule === rule);

  before(async () => {
    released = await releasedDefinitions(release) as ReadonlyMap<string, Definition>;
    for (const [definition, { spec }] of released) {
      const next = present.get(definition);
      if (next !== undefined) found.push(...incompatibilities(spec, next.spec).map((finding) => ({ definition, ...finding })));
    }
  });

  it('are all there still', () => {
    assert.ok(released.has('virtualmachines.yadokari.dev'));
    assert.deepEqual([...released.keys()].filter((name) => !present.has(name)), []);
  });

  it('break nothing that users have written or read', () => {
    assert.deepEqual(found.filter((finding) => !isAllowed(finding)).map(({ definition, path, change }) => `${definition}: ${path} ${change}`), []);
  });

  it('have no rule allowed that is not new, and none without a reason', () => {
    const needed = found.filter(isAllowed);
    assert.deepEqual(allowed.filter(({ definition, path, rule, reason }) => reason.trim() === '' || !needed.some((finding) => finding.definition === definition && finding.path === path && finding.rule === rule)), []);
  });
});
