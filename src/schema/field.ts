import { Type, type TObject, type TOptional, type TProperties, type TSchema } from 'typebox';

/** A CEL rule that the API server enforces; `message` names what is allowed. */
export interface Rule {
  readonly rule: string;
  readonly message?: string;
  /** CEL expression for the message, when it should show the value. */
  readonly messageExpression?: string;
  readonly fieldPath?: string;
  readonly reason?: 'FieldValueInvalid' | 'FieldValueRequired' | 'FieldValueForbidden';
}

/** The schema with CEL rules added to those it has. */
export function withRules<S extends TSchema>(schema: S, ...rules: readonly Rule[]): S {
  const known = (schema as { 'x-kubernetes-validations'?: readonly Rule[] })['x-kubernetes-validations'] ?? [];
  return { ...schema, 'x-kubernetes-validations': [...known, ...rules] };
}

/** A list whose items are told apart by `keys`; server-side apply merges it item by item. */
export function listMap<S extends TSchema>(item: S, keys: readonly string[], options: { readonly description: string; readonly maxItems: number }) {
  return Type.Array(item, { ...options, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys });
}

/** An object with exactly one of the given fields: a union. Other fields of the object go into `common`. */
export function exactlyOneOf<C extends TProperties, P extends Record<string, TSchema>>(subject: string, choices: P, common: C, options: { readonly description: string }) {
  const optional = Object.fromEntries(Object.entries(choices).map(([name, schema]) => [name, Type.Optional(schema)])) as { [K in keyof P]: TOptional<P[K]> };
  const names = Object.keys(choices);
  const object = Type.Object({ ...common, ...optional }, options) as TObject<C & { [K in keyof P]: TOptional<P[K]> }>;
  return withRules(object, {
    rule: `[${names.map((name) => `has(self.${name})`).join(', ')}].filter(x, x).size() == 1`,
    message: `${subject} takes exactly one of ${names.join(', ')}`,
  });
}

/** One of the given words. */
export function oneOf<const W extends readonly string[]>(words: W, options: { readonly description: string; readonly default?: W[number] }) {
  return Type.Union(words.map((word) => Type.Literal(word)), options) as unknown as ReturnType<typeof Type.Unsafe<W[number]>>;
}

/** An amount of bytes as Kubernetes writes it, such as `512Mi`, within limits. */
export function byteQuantity(field: string, limits: { readonly minimum: string; readonly maximum: string }, description: string) {
  const schema = Type.String({
    description: `${description} A quantity of bytes such as 512Mi or 2Gi; from ${limits.minimum} to ${limits.maximum}.`,
    maxLength: 32,
  });
  const wellFormed = "self.matches('^[0-9]+([.][0-9]+)?(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E)?$')";
  return withRules(
    schema,
    { rule: wellFormed, messageExpression: `'${field} is ' + self + '; it must be a number with a unit (Ki, Mi, Gi, Ti, k, M, G, T), such as 512Mi'` },
    { rule: `!${wellFormed} || quantity(self).compareTo(quantity('${limits.minimum}')) >= 0`, messageExpression: `'${field} is ' + self + '; it must be at least ${limits.minimum}'` },
    { rule: `!${wellFormed} || quantity(self).compareTo(quantity('${limits.maximum}')) <= 0`, messageExpression: `'${field} is ' + self + '; it must be at most ${limits.maximum}'` },
  );
}

/** A DNS label (RFC 1123): lower-case letters, digits and dashes. */
export function dnsLabel(description: string, maxLength = 63) {
  return Type.String({ description, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', minLength: 1, maxLength });
}

/** The name of another object in the same namespace. */
export function objectName(description: string) {
  return Type.String({ description, pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$', minLength: 1, maxLength: 253 });
}

/** metav1.Time. */
export function time(description: string) {
  return Type.String({ description, format: 'date-time' });
}

/** An integer or a name, as ports of probes are. */
export function intOrString(description: string) {
  return Type.Unsafe<number | string>({ description, 'x-kubernetes-int-or-string': true });
}

/** metav1.Condition, as a list by type. */
export function conditions() {
  const condition = Type.Object({
    type: Type.String({ description: 'What the condition is about.', maxLength: 316 }),
    status: oneOf(['True', 'False', 'Unknown'], { description: 'Whether it holds.' }),
    reason: Type.Optional(Type.String({ description: 'Why, in one word for programs.', maxLength: 1024 })),
    message: Type.Optional(Type.String({ description: 'Why, in a line for people.', maxLength: 32768 })),
    lastTransitionTime: Type.Optional(time('When the status changed last.')),
    observedGeneration: Type.Optional(Type.Integer({ description: 'The generation of the spec that this is about.' })),
  });
  return listMap(condition, ['type'], { description: 'What is true of the object now, and why.', maxItems: 32 });
}

/** Texts by names of the user's choice. */
export function textMap(description: string, limits: { readonly maxProperties?: number; readonly maxLength?: number } = {}) {
  const { maxProperties, maxLength } = limits;
  return Type.Unsafe<Readonly<Record<string, string>>>({
    type: 'object', description, additionalProperties: { type: 'string', ...(maxLength === undefined ? {} : { maxLength }) }, ...(maxProperties === undefined ? {} : { maxProperties }),
  });
}
