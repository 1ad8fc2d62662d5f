/**
 * Writes src/api/generated/pod-spec.json, core/v1's PodSpec as a structural schema, from the OpenAPI v3 document
 * of an API server: `kubectl get --raw /openapi/v3/api/v1 | node tools/generate-pod-schema.ts`.
 */
import { writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';

interface OpenApi {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, OpenApi>>;
  readonly items?: OpenApi;
  readonly allOf?: readonly OpenApi[];
  readonly additionalProperties?: OpenApi;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: string;
}
type Structural = Record<string, unknown>;

/** Fields that only the API server or the kubelet sets. */
const LEFT_OUT = new Set(['.ephemeralContainers', '.nodeName', '.priority', '.serviceAccount']);

const document = JSON.parse(await text(process.stdin)) as { components: { schemas: Record<string, OpenApi> } };
const schemas = document.components.schemas;

function structural(schema: OpenApi, path: string): Structural {
  const reference = schema.$ref ?? schema.allOf?.[0]?.$ref;
  if (reference !== undefined) return named(reference.split('/').at(-1) ?? '', path);
  const described = { description: `As pod.spec${path}.` };
  if (schema.properties !== undefined) {
    const entries = Object.entries(schema.properties).filter(([name]) => !LEFT_OUT.has(`${path}.${name}`));
    return {
      ...described,
      type: 'object',
      ...(schema.required === undefined ? {} : { required: schema.required }),
      ...(schema['x-kubernetes-map-type'] === undefined ? {} : { 'x-kubernetes-map-type': schema['x-kubernetes-map-type'] }),
      properties: Object.fromEntries(entries.map(([name, child]) => [name, structural(child, `${path}.${name}`)])),
    };
  }
  if (schema.type === 'array' && schema.items !== undefined) return { ...described, type: 'array', ...listOf(schema, schema.items, path) };
  if (schema.additionalProperties !== undefined) return { ...described, type: 'object', additionalProperties: structural(schema.additionalProperties, path) };
  return { ...described, ...(schema.type === undefined ? {} : { type: schema.type }), ...(schema.format === undefined ? {} : { format: schema.format }), ...(schema.enum === undefined ? {} : { enum: schema.enum }) };
}

/** The keys of a list map must be required or have a default, else the list is merged as a whole. */
function listOf(list: OpenApi, item: OpenApi, path: string): Structural {
  const items = structural(item, path) as { properties?: Record<string, Structural>; required?: string[] };
  const reference = item.$ref ?? item.allOf?.[0]?.$ref;
  const source = reference === undefined ? item : schemas[reference.split('/').at(-1) ?? ''];
  const keys = list['x-kubernetes-list-map-keys'] ?? [];
  for (const key of keys) {
    const value = source?.properties?.[key]?.default;
    if (value !== undefined && value !== '' && items.properties?.[key] !== undefined) items.properties[key]['default'] = value;
  }
  const usable = keys.length > 0 && keys.every((key) => items.required?.includes(key) === true || items.properties?.[key]?.['default'] !== undefined);
  if (usable) return { items, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys };
  const kind = list['x-kubernetes-list-type'];
  return { items, ...(kind === 'set' || kind === 'atomic' ? { 'x-kubernetes-list-type': kind } : {}) };
}

function named(name: string, path: string): Structural {
  const description = `As pod.spec${path}.`;
  if (name.endsWith('.IntOrString')) return { description, 'x-kubernetes-int-or-string': true };
  if (name.endsWith('.Quantity')) {
    return { description, 'x-kubernetes-int-or-string': true, pattern: '^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$' };
  }
  const schema = schemas[name];
  if (schema === undefined) throw new Error(`the document has no schema ${name}`);
  return structural(schema, path);
}

const result = structural(schemas['io.k8s.api.core.v1.PodSpec'] ?? {}, '');
writeFileSync(new URL('../src/api/generated/pod-spec.json', import.meta.url), `${JSON.stringify(result, null, 1)}\n`);
