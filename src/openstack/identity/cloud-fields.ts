import { Secret } from '../secret.ts';

type MakeFault = (cloud: string, field: string, message: string) => Error;

const SECRETS = new Set(['password', 'token', 'application_credential_secret', 'key', 'passcode']);

/** Fields of one cloud in a clouds.yaml, or of a section of it. Each throws what `makeFault` makes. */
export class CloudFields {
  readonly cloud: string;
  readonly #section: string;
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #makeFault: MakeFault;

  constructor(cloud: string, section: string, value: unknown, makeFault: MakeFault) {
    this.cloud = cloud;
    this.#section = section;
    this.#makeFault = makeFault;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.fault('', undefined, 'it must be fields and their values');
    this.#fields = value as Readonly<Record<string, unknown>>;
  }

  section(name: string): CloudFields {
    if (this.#fields[name] === undefined) throw this.fault(name, undefined, 'it must have auth_url and who is to be authenticated');
    return new CloudFields(this.cloud, name, this.#fields[name], this.#makeFault);
  }

  has(name: string): boolean {
    const value = this.#fields[name];
    return value !== undefined && value !== null && value !== '';
  }

  /** Undefined where it is missing or empty. YAML makes numbers of some names. */
  text(name: string): string | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#fields[name];
    if (typeof value === 'string') return value;
    // 2.10 would have become 2.1, and 007 something else again.
    if (typeof value === 'number') throw this.fault(name, value, `it must be in quotes, since YAML takes it for a number`);
    throw this.fault(name, undefined, 'it must be a text');
  }

  required(name: string, what: string): string {
    const value = this.text(name);
    if (value === undefined) throw this.fault(name, undefined, `it must be ${what}`);
    return value;
  }

  secret(name: string): Secret {
    return new Secret(this.required(name, 'a text'));
  }

  flag(name: string): boolean | undefined {
    const value = this.#fields[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'boolean') throw this.fault(name, value, 'it must be true or false');
    return value;
  }

  /** `value` is shown, unless the field is a secret. */
  fault(name: string, value: unknown, allowed: string): Error {
    const field = [this.#section, name].filter((part) => part !== '').join('.');
    const shown = value === undefined ? 'not as it must be or missing' : SECRETS.has(name) ? 'not as it must be' : JSON.stringify(value);
    return this.#makeFault(this.cloud, field, `clouds.yaml: ${field === '' ? '' : `${field} of `}cloud "${this.cloud}" is ${shown}: ${allowed}`);
  }
}
