import { OpenStackError } from './errors.ts';
import type { ServiceName } from './service-name.ts';

type Known<T> = { readonly [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & { readonly [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/** Frozen, and without the fields that are undefined. */
export function known<T extends object>(fields: T): Known<T> {
  return Object.freeze(Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))) as Known<T>;
}

/** An object as a service sent it, whose fields are read once and checked. Throws InvalidAnswer, which names the field. */
export class Wire {
  readonly #service: ServiceName;
  readonly #where: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  /** `where` is what the object is, in words. */
  constructor(service: ServiceName, where: string, value: unknown) {
    this.#service = service;
    this.#where = where;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.#fault('', 'no object');
    this.#fields = value as Readonly<Record<string, unknown>>;
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined && this.#fields[name] !== null;
  }

  text(name: string): string {
    const value = this.#fields[name];
    if (typeof value !== 'string') throw this.#fault(name, 'no text');
    return value;
  }

  /** Undefined where it is missing, null or empty. */
  textIf(name: string): string | undefined {
    return this.has(name) && this.#fields[name] !== '' ? this.text(name) : undefined;
  }

  number(name: string): number {
    const value = this.#fields[name];
    // Flavors say "" where they mean 0.
    const number = value === '' ? 0 : typeof value === 'string' ? Number(value) : value;
    if (typeof number !== 'number' || Number.isNaN(number)) throw this.#fault(name, 'no number');
    return number;
  }

  numberIf(name: string): number | undefined {
    return this.has(name) ? this.number(name) : undefined;
  }

  /** Services write some as texts. */
  flag(name: string): boolean {
    const value = this.#fields[name];
    if (typeof value === 'boolean') return value;
    if (typeof value !== 'string' || !/^(true|false)?$/i.test(value)) throw this.#fault(name, 'neither true nor false');
    return value.toLowerCase() === 'true';
  }

  flagIf(name: string): boolean | undefined {
    return this.has(name) ? this.flag(name) : undefined;
  }

  /** Milliseconds since the epoch. Times without a zone are UTC. */
  timeMs(name: string): number {
    const text = this.text(name);
    const ms = Date.parse(/(Z|[+-][0-9]{2}:?[0-9]{2})$/.test(text) ? text : `${text}Z`);
    if (Number.isNaN(ms)) throw this.#fault(name, 'no time');
    return ms;
  }

  timeMsIf(name: string): number | undefined {
    return this.textIf(name) === undefined ? undefined : this.timeMs(name);
  }

  object(name: string): Wire {
    return new Wire(this.#service, `${name} of ${this.#where}`, this.#fields[name]);
  }

  objectIf(name: string): Wire | undefined {
    const value = this.#fields[name];
    return typeof value === 'object' && value !== null ? this.object(name) : undefined;
  }

  objects(name: string): readonly Wire[] {
    const value = this.#fields[name];
    if (!Array.isArray(value)) throw this.#fault(name, 'no list');
    return Object.freeze(value.map((one) => new Wire(this.#service, `${name} of ${this.#where}`, one)));
  }

  /** Empty where there is none. */
  objectsIf(name: string): readonly Wire[] {
    return this.has(name) ? this.objects(name) : [];
  }

  /** Each of the list as it is read; the list is frozen. */
  each<T>(name: string, read: (one: Wire) => T): readonly T[] {
    return Object.freeze(this.objectsIf(name).map(read));
  }

  texts(name: string): readonly string[] {
    const value = this.#fields[name] ?? [];
    if (!Array.isArray(value) || !value.every((one) => typeof one === 'string')) throw this.#fault(name, 'no list of texts');
    return Object.freeze([...value]);
  }

  /** Texts by names; numbers and flags become texts, null is left out. */
  map(name: string): Readonly<Record<string, string>> {
    const entries = this.objectIf(name)?.entries() ?? [];
    return Object.freeze(Object.fromEntries(entries.flatMap(([key, value]) => (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? [[key, String(value)]] : []))));
  }

  entries(): readonly (readonly [string, unknown])[] {
    return Object.entries(this.#fields);
  }

  #fault(name: string, what: string): OpenStackError {
    return new OpenStackError('InvalidAnswer', `${this.#service}: ${name === '' ? '' : `${name} of `}${this.#where} is ${what}`, { service: this.#service });
  }
}
