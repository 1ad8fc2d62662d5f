import { inspect } from 'node:util';

const SHOWN = '[secret]';

/** A text that is shown nowhere by accident: not in a log, an error, JSON or a template. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
    Object.freeze(this);
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}

/** Too short to be told from ordinary text. */
const SHORTEST = 4;
const SECRET_FIELD = /pass|secret|token|user_data|private_key|auth_key|contents/i;

/** Texts in fields of a request that are nobody's business: services like to repeat what they were sent. */
export function secretsIn(value: unknown, secret = false): readonly string[] {
  if (typeof value === 'string') return secret && value.length >= SHORTEST ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, child]) => secretsIn(child, secret || SECRET_FIELD.test(name)));
}

export function withoutSecrets(text: string, secrets: readonly string[]): string {
  // The longest first: one may be part of another.
  return [...secrets].sort((a, b) => b.length - a.length).reduce((rest, one) => (one.length < SHORTEST ? rest : rest.replaceAll(one, SHOWN)), text);
}
