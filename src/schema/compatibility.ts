import { isDeepStrictEqual } from 'node:util';
import type { Rule } from './field.ts';

/** What of a structural schema bears on compatibility. */
export interface ComparedSchema {
  readonly type?: string;
  readonly format?: string;
  readonly nullable?: boolean;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly pattern?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, ComparedSchema>>;
  readonly items?: ComparedSchema;
  readonly additionalProperties?: ComparedSchema | boolean;
  readonly 'x-kubernetes-validations'?: readonly Rule[];
  readonly [keyword: string]: unknown;
}

/** What of a CustomResourceDefinition's spec bears on compatibility. */
export interface ComparedDefinition {
  readonly group: string;
  readonly scope: string;
  readonly names: { readonly kind: string; readonly plural: string; readonly [name: string]: unknown };
  readonly versions: readonly {
    readonly name: string;
    readonly served: boolean;
    readonly subresources?: Readonly<Record<string, unknown>>;
    readonly schema: { readonly openAPIV3Schema: ComparedSchema };
  }[];
}

/** One way in which what users have written or read no longer works. */
export interface Incompatibility {
  /** Such as `v1alpha1.spec.disks[].size`; `scope` and the like for the definition as a whole. */
  readonly path: string;
  /** What is different, as the end of a sentence about the path. */
  readonly change: string;
  /** The CEL rule that is new: whether it refuses an object that was accepted before is for a person to say. */
  readonly rule?: string;
}

type Finding = Omit<Incompatibility, 'path'>;
type Check = (former: ComparedSchema, next: ComparedSchema) => readonly Finding[];

/** Everything in `next` that breaks users of `former`, in the order of the schema; descriptions and printer columns are nobody's contract. */
export function incompatibilities(former: ComparedDefinition, next: ComparedDefinition): readonly Incompatibility[] {
  return [...identity(former, next), ...former.versions.filter(({ served }) => served).flatMap((version) => {
    const now = next.versions.find(({ name, served }) => name === version.name && served);
    if (now === undefined) return [{ path: version.name, change: 'is no longer served' }];
    const gone = Object.keys(version.subresources ?? {}).filter((name) => now.subresources?.[name] === undefined);
    return [
      ...gone.map((name) => ({ path: version.name, change: `has no subresource ${name} any more` })),
      ...compare(version.name, version.schema.openAPIV3Schema, now.schema.openAPIV3Schema),
    ];
  })];
}

/** What objects are called and where they are. A further short name or category takes nothing from anybody. */
function identity(former: ComparedDefinition, next: ComparedDefinition): readonly Incompatibility[] {
  const parts = (definition: ComparedDefinition): Readonly<Record<string, unknown>> => ({ group: definition.group, scope: definition.scope, ...definition.names });
  const now = parts(next);
  return Object.entries(parts(former)).flatMap(([path, value]) => {
    if (!Array.isArray(value)) return isDeepStrictEqual(value, now[path]) ? [] : [{ path, change: became(value, now[path]) }];
    const left = Array.isArray(now[path]) ? now[path] as readonly unknown[] : [];
    return value.filter((word) => !left.includes(word)).map((word) => ({ path, change: `${String(word)} is gone` }));
  });
}

function compare(path: string, former: ComparedSchema, next: ComparedSchema): readonly Incompatibility[] {
  const own = checks.flatMap((check) => check(former, next)).map((finding) => ({ path, ...finding }));
  const fields = Object.entries(former.properties ?? {}).flatMap(([name, schema]) => {
    const now = next.properties?.[name];
    const field = `${path}.${name}`;
    if (now !== undefined) return compare(field, schema, now);
    return next[preserving] === true ? [] : [{ path: field, change: 'is gone' }];
  });
  const { items, additionalProperties: values } = former;
  return [
    ...own,
    ...fields,
    ...(items === undefined || next.items === undefined ? [] : compare(`${path}[]`, items, next.items)),
    ...(isSchema(values) && isSchema(next.additionalProperties) ? compare(`${path}{}`, values, next.additionalProperties) : []),
  ];
}

const preserving = 'x-kubernetes-preserve-unknown-fields';
const lowerBounds = ['minimum', 'minLength', 'minItems', 'minProperties'];
const upperBounds = ['maximum', 'maxLength', 'maxItems', 'maxProperties'];
/** What may be taken away, but neither added nor changed. */
const restrictions = ['format', 'pattern', 'multipleOf', 'allOf', 'anyOf', 'oneOf', 'not'];
/** Switches that may be turned one way only, and which that is. */
const switches: Readonly<Record<string, boolean>> = {
  nullable: true, uniqueItems: false, exclusiveMinimum: false, exclusiveMaximum: false, 'x-kubernetes-embedded-resource': false, [preserving]: true,
};
/** What decides how values are read and merged, with what the API server takes where it is not said. */
const semantics: Readonly<Record<string, unknown>> = {
  type: undefined, default: undefined, 'x-kubernetes-int-or-string': false, 'x-kubernetes-list-type': 'atomic', 'x-kubernetes-list-map-keys': undefined, 'x-kubernetes-map-type': 'granular',
};

const checks: readonly Check[] = [
  (former, next) => Object.entries(semantics).flatMap(([keyword, implied]) => differing(keyword, former[keyword] ?? implied, next[keyword] ?? implied)),
  (former, next) => restrictions.flatMap((keyword) => (next[keyword] === undefined ? [] : differing(keyword, former[keyword], next[keyword]))),
  (former, next) => bounds(lowerBounds, former, next, (was, now) => now > was),
  (former, next) => bounds(upperBounds, former, next, (was, now) => now < was),
  (former, next) => Object.entries(switches).flatMap(([keyword, harmless]) => {
    const [was, now] = [former[keyword] ?? false, next[keyword] ?? false];
    return now === harmless ? [] : differing(keyword, was, now);
  }),
  words,
  requirements,
  mapValues,
  rules,
];

function differing(keyword: string, was: unknown, now: unknown): readonly Finding[] {
  return isDeepStrictEqual(was, now) ? [] : [{ change: `${keyword} ${became(was, now)}` }];
}

function bounds(keywords: readonly string[], former: ComparedSchema, next: ComparedSchema, narrower: (was: number, now: number) => boolean): readonly Finding[] {
  return keywords.flatMap((keyword) => {
    const [was, now] = [former[keyword], next[keyword]];
    if (typeof now !== 'number' || (typeof was === 'number' && !narrower(was, now))) return [];
    return differing(keyword, was, now);
  });
}

function words({ enum: former }: ComparedSchema, { enum: next }: ComparedSchema): readonly Finding[] {
  if (next === undefined) return [];
  if (former === undefined) return [{ change: `enum ${became(undefined, next)}` }];
  return former.filter((word) => !next.includes(word)).map((word) => ({ change: `no longer takes ${JSON.stringify(word)}` }));
}

/** A default fills a required field in before anything is validated. */
function requirements(former: ComparedSchema, next: ComparedSchema): readonly Finding[] {
  const added = (next.required ?? []).filter((name) => former.required?.includes(name) !== true && next.properties?.[name]?.default === undefined);
  return added.map((name) => ({ change: `requires ${name} now` }));
}

/** Keys that are no fields. */
function mapValues({ additionalProperties: former = false }: ComparedSchema, next: ComparedSchema): readonly Finding[] {
  const { additionalProperties: now = false } = next;
  if (former === false || now === true || next[preserving] === true) return [];
  if (now === false) return [{ change: 'takes no keys of users any more' }];
  return former === true ? [{ change: 'restricts the values of its keys now' }] : [];
}

function rules(former: ComparedSchema, next: ComparedSchema): readonly Finding[] {
  const known = (former['x-kubernetes-validations'] ?? []).map(({ rule }) => rule);
  const added = (next['x-kubernetes-validations'] ?? []).filter(({ rule }) => !known.includes(rule) && !concernsNewFields(rule, former) && !widensUnion(rule, known, former));
  return added.map(({ rule }) => ({ change: `has the new rule ${rule}`, rule }));
}

/** Whether the rule is a plain alternative that begins with the absence of a field that no object could have before. */
function concernsNewFields(rule: string, former: ComparedSchema): boolean {
  const [guards = ''] = /^(!has\(self(\.\w+)+\) \|\| )*/.exec(rule) ?? [];
  return !rule.includes('?') && [...guards.matchAll(/self\.([\w.]+)/g)].some(([, path = '']) => isNew(path.split('.'), former));
}

/** Whether the rule is that of a union which was there before with fewer choices; the further ones are new fields. */
function widensUnion(rule: string, known: readonly string[], former: ComparedSchema): boolean {
  const choices = choicesOf(rule);
  return choices.length > 0 && known.map(choicesOf).some((before) => {
    const further = choices.filter((name) => !before.includes(name));
    return before.length > 0 && before.length + further.length === choices.length && further.every((name) => isNew([name], former));
  });
}

/** The fields of a union's rule, as `exactlyOneOf` writes it; none when it is another rule. */
function choicesOf(rule: string): readonly string[] {
  const [, list] = /^\[((?:has\(self\.\w+\)(?:, )?)+)\]\.filter\(x, x\)\.size\(\) == 1$/.exec(rule) ?? [];
  return [...(list ?? '').matchAll(/self\.(\w+)/g)].map(([, name = '']) => name);
}

function isNew([name = '', ...rest]: readonly string[], former: ComparedSchema): boolean {
  const field = former.properties?.[name];
  if (field !== undefined) return rest.length > 0 && isNew(rest, field);
  return former[preserving] !== true && former.additionalProperties === undefined;
}

function isSchema(value: ComparedSchema | boolean | undefined): value is ComparedSchema {
  return typeof value === 'object';
}

function became(was: unknown, now: unknown): string {
  const said = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value));
  return `was ${said(was)} and is ${said(now)}`;
}
