import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseSelector, SelectorError } from './selector.ts';

const labels = { app: 'web', 'kubernetes.io/os': 'linux', tier: 'front-end' };

for (const [text, matches] of [
  ['', true], ['all()', true], ['global()', true], ['!all()', false],
  ["app == 'web'", true], ['app == "db"', false], ["app != 'web'", false], ["absent != 'x'", true], ["absent == 'x'", false],
  ['has(kubernetes.io/os)', true], ['!has(absent)', true],
  ["app in {'web', 'db'}", true], ["app not in {'web'}", false], ["absent not in {'web'}", true], ['app in {}', false],
  ["tier contains 't-e'", true], ["tier starts with 'front'", true], ["tier ends with 'front'", false],
  ["app == 'db' || has(tier) && app == 'web'", true], ["(app == 'db' || has(tier)) && app == 'db'", false], ["!(app == 'db')", true],
] as const) {
  it(`says ${matches} to ${JSON.stringify(text)}`, () => assert.equal(parseSelector(text)(labels), matches));
}

for (const text of ['app', 'app ==', 'app == web', '(all()', 'all() all()', "app in {'a' 'b'}", 'app % 2', "nothing('x')"]) {
  it(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseSelector(text), SelectorError));
}
