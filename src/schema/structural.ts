/** JSON as it goes into a manifest. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = Readonly<Record<string, Json>>;

/**
 * A TypeBox schema as the structural schema that CustomResourceDefinitions take: unions of words become enums,
 * constants become one-word enums, symbols and TypeBox's own marks are dropped.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
export function toStructural(schema: unknown): JsonObject {
  const plain = JSON.parse(JSON.stringify(schema)) as JsonObject;
  return convert(plain);
}

function convert(schema: JsonObject): JsonObject {
  const { anyOf, const: constant, properties, items, additionalProperties, ...rest } = schema;
  if (constant !== undefined) return { ...rest, type: 'string', enum: [constant] };
  if (Array.isArray(anyOf)) return { ...rest, type: 'string', enum: anyOf.map(wordOf) };
  return {
    ...withoutDefaults(rest, properties as JsonObject | undefined),
    ...(properties === undefined ? {} : { properties: convertAll(properties as JsonObject) }),
    ...(items === undefined ? {} : { items: convert(items as JsonObject) }),
    ...(typeof additionalProperties === 'object' && additionalProperties !== null ? { additionalProperties: convert(additionalProperties as JsonObject) } : {}),
  };
}

/** What has a default need not be in what people write, and is always there once it is admitted: those who check manifests elsewhere go by `required` alone. */
function withoutDefaults(schema: JsonObject, properties: JsonObject = {}): JsonObject {
  const hasNone = (name: string): boolean => (properties[name] as JsonObject | undefined)?.['default'] === undefined;
  const required = (schema['required'] as readonly string[] | undefined)?.filter(hasNone) ?? [];
  return Object.fromEntries(Object.entries(schema).flatMap(([key, value]) => (key !== 'required' ? [[key, value]] : required.length === 0 ? [] : [[key, required]])));
}

function convertAll(properties: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, convert(schema as JsonObject)]));
}

function wordOf(option: Json): Json {
  const word = (option as JsonObject)['const'];
  if (typeof word !== 'string') throw new TypeError(`a structural schema holds no union but of words: ${JSON.stringify(option)}`);
  return word;
}
