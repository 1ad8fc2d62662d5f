import { fromJSON, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';

/** Messages by name: field by its type and number, such as `string 1`; `X[] 2` is repeated, `{} 3` a map from strings to strings. */
export type Messages = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Calls with the names of their request and response. */
export type Calls = Readonly<Record<string, readonly [request: string, response: string]>>;

export interface Protocol {
  /** Such as `runtime.v1`. */
  readonly package: string;
  readonly messages: Messages;
  /** Words by their numbers, or in the order of these. */
  readonly enums: Readonly<Record<string, readonly string[] | Readonly<Record<string, number>>>>;
  readonly services: Readonly<Record<string, Calls>>;
}

/** What proto-loader takes for the types of a package. */
type Types = NonNullable<Parameters<typeof fromJSON>[0]['nested']>;

export type Method = MethodDefinition<object, object>;
export type Service = Readonly<Record<string, Method>>;

/** The services by their names. 64-bit integers are strings, absent messages null, enums words; all else that is absent has its default. */
export function grpcServices({ package: path, messages, enums, services }: Protocol): ReadonlyMap<string, Service> {
  const types = {
    ...mapped(messages, (fields) => ({ fields: mapped(fields, fieldOf) })),
    ...mapped(enums, (words) => ({ values: Array.isArray(words) ? Object.fromEntries(words.map((word, index) => [word, index])) : words })),
    ...mapped(services, (calls) => ({ methods: mapped(calls, ([requestType, responseType]) => ({ requestType, responseType })) })),
  } as Types;
  const nested = path.split('.').reduceRight((inner: Types, name): Types => ({ [name]: { nested: inner } }), types);
  const definition = fromJSON({ nested }, { longs: String, enums: String, defaults: true, keepCase: true });
  return new Map(Object.keys(services).map((name) => [name, definition[`${path}.${name}`] as ServiceDefinition as Service]));
}

function mapped<T, R>(record: Readonly<Record<string, T>>, change: (value: T) => R): Readonly<Record<string, R>> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

function fieldOf(text: string): { readonly type: string; readonly id: number; readonly rule?: 'repeated'; readonly keyType?: 'string' } {
  const [type = '', id = ''] = text.split(' ');
  if (type === '{}') return { type: 'string', keyType: 'string', id: Number(id) };
  return type.endsWith('[]') ? { type: type.slice(0, -2), id: Number(id), rule: 'repeated' } : { type, id: Number(id) };
}
