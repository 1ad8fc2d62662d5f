import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Type } from 'typebox';
import { incompatibilities, type ComparedDefinition, type ComparedSchema } from './compatibility.ts';
import { exactlyOneOf } from './field.ts';
import { toStructural } from './structural.ts';

function definition(field: ComparedSchema, change: Partial<ComparedDefinition> = {}): ComparedDefinition {
  const schema = { type: 'object', properties: { spec: { type: 'object', properties: { field } } } };
  return {
    group: 'example.dev', scope: 'Namespaced', names: { kind: 'Crab', plural: 'crabs', shortNames: ['cb', 'crb'], categories: ['all'] },
    versions: [{ name: 'v1', served: true, subresources: { status: {}, scale: {} }, schema: { openAPIV3Schema: schema } }],
    ...change,
  };
}

const text = { type: 'string' };
const number = { type: 'integer' };
const list = { type: 'array', items: text };
const map = { type: 'object', additionalProperties: text };
const fields = (properties: Readonly<Record<string, ComparedSchema>>, ...required: readonly string[]): ComparedSchema => ({ type: 'object', properties, required });
const ruled = (...rules: readonly string[]): ComparedSchema => ({ ...text, 'x-kubernetes-validations': rules.map((rule) => ({ rule })) });
const about = (schema: ComparedSchema, rule: string): ComparedSchema => ({ ...schema, 'x-kubernetes-validations': [{ rule }] });
const union = (...choices: readonly string[]): ComparedSchema => toStructural(exactlyOneOf('it', Object.fromEntries(choices.map((name) => [name, Type.String()])), {}, { description: '' }));
const rulesOf = ({ 'x-kubernetes-validations': rules = [] }: ComparedSchema): ComparedSchema => ({ 'x-kubernetes-validations': rules });
const keep = 'x-kubernetes-preserve-unknown-fields';

/** A field before and after, and what is said of it, without the path where it is the field's own. */
const breaks: readonly (readonly [what: string, former: ComparedSchema, next: ComparedSchema, says: string])[] = [
  ['a type that changed', text, number, 'type was "string" and is "integer"'],
  ['a string that may be a number now', text, { 'x-kubernetes-int-or-string': true }, 'type was "string" and is nothing; x-kubernetes-int-or-string was false and is true'],
  ['a field that is gone', fields({ a: text, b: text }), fields({ a: text }), '.b is gone'],
  ['a field that is gone from the items of a list', { type: 'array', items: fields({ a: text }) }, { type: 'array', items: fields({}) }, '[].a is gone'],
  ['a field that is gone from the values of a map', { type: 'object', additionalProperties: fields({ a: text }) }, { type: 'object', additionalProperties: fields({}) }, '{}.a is gone'],
  ['a word fewer', { ...text, enum: ['a', 'b'] }, { ...text, enum: ['b', 'c'] }, 'no longer takes "a"'],
  ['words where anything went', text, { ...text, enum: ['a'] }, 'enum was nothing and is ["a"]'],
  ['a higher minimum', { ...number, minimum: 1 }, { ...number, minimum: 2 }, 'minimum was 1 and is 2'],
  ['a new minimum', number, { ...number, minimum: 0 }, 'minimum was nothing and is 0'],
  ['a minimum that is excluded now', { ...number, minimum: 1 }, { ...number, minimum: 1, exclusiveMinimum: true }, 'exclusiveMinimum was false and is true'],
  ['a lower maximum', { ...number, maximum: 9 }, { ...number, maximum: 8 }, 'maximum was 9 and is 8'],
  ['a new maximum', number, { ...number, maximum: 8 }, 'maximum was nothing and is 8'],
  ['a longer shortest text', { ...text, minLength: 1 }, { ...text, minLength: 3 }, 'minLength was 1 and is 3'],
  ['a shorter longest text', { ...text, maxLength: 9 }, { ...text, maxLength: 8 }, 'maxLength was 9 and is 8'],
  ['more items at least', list, { ...list, minItems: 1 }, 'minItems was nothing and is 1'],
  ['fewer items at most', { ...list, maxItems: 9 }, { ...list, maxItems: 8 }, 'maxItems was 9 and is 8'],
  ['fewer keys at most', map, { ...map, maxProperties: 8 }, 'maxProperties was nothing and is 8'],
  ['another pattern', { ...text, pattern: '^a' }, { ...text, pattern: '^b' }, 'pattern was "^a" and is "^b"'],
  ['a new pattern', text, { ...text, pattern: '^b' }, 'pattern was nothing and is "^b"'],
  ['a new format', text, { ...text, format: 'date-time' }, 'format was nothing and is "date-time"'],
  ['a new alternative', text, { ...text, anyOf: [{ format: 'ipv4' }] }, 'anyOf was nothing and is [{"format":"ipv4"}]'],
  ['null that is refused', { ...text, nullable: true }, text, 'nullable was true and is false'],
  ['items that must be unique', list, { ...list, uniqueItems: true }, 'uniqueItems was false and is true'],
  ['a new field that is required', fields({}), fields({ a: text }, 'a'), 'requires a now'],
  ['an optional field that is required', fields({ a: text }), fields({ a: text }, 'a'), 'requires a now'],
  ['another default', { ...text, default: 'a' }, { ...text, default: 'b' }, 'default was "a" and is "b"'],
  ['a default that is gone', { ...text, default: 'a' }, text, 'default was "a" and is nothing'],
  ['a default that was none', text, { ...text, default: 'a' }, 'default was nothing and is "a"'],
  ['a list that is merged otherwise', list, { ...list, 'x-kubernetes-list-type': 'set' }, 'x-kubernetes-list-type was "atomic" and is "set"'],
  ['other keys of a list', { ...list, 'x-kubernetes-list-map-keys': ['a'] }, { ...list, 'x-kubernetes-list-map-keys': ['a', 'b'] }, 'x-kubernetes-list-map-keys was ["a"] and is ["a","b"]'],
  ['a map that is merged otherwise', map, { ...map, 'x-kubernetes-map-type': 'atomic' }, 'x-kubernetes-map-type was "granular" and is "atomic"'],
  ['a map that takes no keys', map, { type: 'object' }, 'takes no keys of users any more'],
  ['a map whose values are restricted', { type: 'object', additionalProperties: true }, map, 'restricts the values of its keys now'],
  ['unknown fields that are dropped', { type: 'object', [keep]: true }, { type: 'object' }, `${keep} was true and is false`],
  ['a new rule', ruled('self != "a"'), ruled('self != "a"', 'self != "b"'), 'has the new rule self != "b"'],
  ['a new rule about a field that was there', fields({ a: text }), about(fields({ a: text }), '!has(self.a) || self.a != "a"'), 'has the new rule !has(self.a) || self.a != "a"'],
  ['a new rule about a field that could be anything', { type: 'object', [keep]: true }, about({ type: 'object', [keep]: true }, '!has(self.a) || self.a != "a"'), 'has the new rule !has(self.a) || self.a != "a"'],
  ['a new rule that only mentions a new field', fields({ a: text }), about(fields({ a: text, b: text }), '!has(self.b) || true ? self.a != "a" : true'), 'has the new rule !has(self.b) || true ? self.a != "a" : true'],
  ['a union with a choice fewer', union('a', 'b'), union('a'), 'has the new rule [has(self.a)].filter(x, x).size() == 1; .b is gone'],
  ['a union that excludes a field which stood beside it', { ...fields({ a: text, b: text }), ...rulesOf(union('a')) }, union('a', 'b'), 'has the new rule [has(self.a), has(self.b)].filter(x, x).size() == 1'],
  ['a union that was none', fields({ a: text }), union('a'), 'has the new rule [has(self.a)].filter(x, x).size() == 1'],
  ['a rule that changed', ruled('self != "a"'), ruled('self != "b"'), 'has the new rule self != "b"'],
];

const harmless: readonly (readonly [what: string, former: ComparedSchema, next: ComparedSchema])[] = [
  ['another description', { ...text, description: 'a' }, { ...text, description: 'b' }],
  ['a further field', fields({ a: text }), fields({ a: text, b: { ...text, pattern: '^b', ...ruled('self != ""') } })],
  ['a further field that is required and has a default', fields({}), fields({ a: { ...text, default: 'x' } }, 'a')],
  ['a required field that is optional', fields({ a: text }, 'a'), fields({ a: text })],
  ['a field whose object takes anything now', fields({ a: text }), { type: 'object', [keep]: true }],
  ['a further word', { ...text, enum: ['a'] }, { ...text, enum: ['b', 'a'] }],
  ['words that are no longer limited', { ...text, enum: ['a'] }, text],
  ['wider bounds', { ...number, minimum: 2, maximum: 3 }, { ...number, minimum: 1, maximum: 4 }],
  ['bounds that are gone', { ...number, minimum: 2, exclusiveMinimum: true, maximum: 3 }, number],
  ['longer texts', { ...text, minLength: 2, maxLength: 3, pattern: '^a', format: 'date-time' }, { ...text, minLength: 1, maxLength: 4 }],
  ['longer lists', { ...list, minItems: 2, maxItems: 3, uniqueItems: true }, { ...list, minItems: 1, maxItems: 4 }],
  ['null that is allowed', text, { ...text, nullable: true }],
  ['a list type that is said and was implied', list, { ...list, 'x-kubernetes-list-type': 'atomic' }],
  ['keys of users beside the fields', fields({ a: text }), { ...fields({ a: text }), additionalProperties: text }],
  ['a rule about a new field', fields({ a: fields({}) }), about(fields({ a: fields({ b: text }) }), '!has(self.a) || !has(self.a.b) || self.a.b != "a"')],
  ['a union with a further choice', union('a', 'c'), union('a', 'b', 'c')],
  ['a rule that is gone, and others in another order', ruled('a', 'b', 'c'), ruled('c', 'a')],
];

/** The definition before and after; the field is always the same. */
const [crab] = definition(text).versions;
if (crab === undefined) throw new Error('the definition has no version');
const names = definition(text).names;
const identities: readonly (readonly [what: string, former: Partial<ComparedDefinition>, next: Partial<ComparedDefinition>, says: string])[] = [
  ['another scope', {}, { scope: 'Cluster' }, 'scope was "Namespaced" and is "Cluster"'],
  ['another group', {}, { group: 'example.org' }, 'group was "example.dev" and is "example.org"'],
  ['another name', {}, { names: { ...names, plural: 'crabz' } }, 'plural was "crabs" and is "crabz"'],
  ['a short name that is gone', {}, { names: { ...names, shortNames: ['cb'] } }, 'shortNames crb is gone'],
  ['a version that is gone', {}, { versions: [{ ...crab, name: 'v2' }] }, 'v1 is no longer served'],
  ['a version that is not served', {}, { versions: [{ ...crab, served: false }] }, 'v1 is no longer served'],
  ['a subresource that is gone', {}, { versions: [{ ...crab, subresources: { status: {} } }] }, 'v1 has no subresource scale any more'],
  ['a further version', {}, { versions: [crab, { ...crab, name: 'v2' }] }, ''],
  ['a further short name', {}, { names: { ...names, shortNames: ['cb', 'crb', 'x'] } }, ''],
  ['a version that nobody could use', { versions: [crab, { ...crab, name: 'v0', served: false }] }, {}, ''],
];

const said = (former: ComparedDefinition, next: ComparedDefinition): string =>
  incompatibilities(former, next).map(({ path, change }) => `${path} ${change}`.replace(/^v1\.spec\.field ?/, '')).join('; ');

describe('compatibility of definitions', () => {
  for (const [what, former, next, says] of breaks) {
    it(`reports ${what}`, () => assert.equal(said(definition(former), definition(next)), says));
  }
  for (const [what, former, next] of harmless) {
    it(`lets pass ${what}`, () => assert.equal(said(definition(former), definition(next)), ''));
  }
  for (const [what, former, next, says] of identities) {
    it(`${says === '' ? 'lets pass' : 'reports'} ${what}`, () => assert.equal(said(definition(text, former), definition(text, next)), says));
  }

  it('names the rule, so that it can be allowed', () => {
    assert.deepEqual(incompatibilities(definition(text), definition(ruled('self != "a"'))), [{ path: 'v1.spec.field', change: 'has the new rule self != "a"', rule: 'self != "a"' }]);
  });
});
