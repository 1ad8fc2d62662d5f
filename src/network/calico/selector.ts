import { YadoError } from '../../base/errors.ts';

/** A parsed selector: says whether labels match. */
export type Selector = (labels: Readonly<Record<string, string>>) => boolean;

/** The text is no selector; the message points at the place. */
export class SelectorError extends YadoError {
  constructor(text: string, at: string) {
    super('SelectorInvalid', `selector ${JSON.stringify(text)} is not understood at ${JSON.stringify(at)}; see Calico's selector syntax`, { disposition: 'stalled' });
  }
}

const TOKEN = /\s*(&&|\|\||==|!=|[!(){},]|"[^"]*"|'[^']*'|[A-Za-z0-9_./-]+)/y;

/**
 * Calico's selector language: `==`, `!=`, `in`, `not in`, `contains`, `starts with`, `ends with`, `has()`, `all()`,
 * `global()`, `!`, `&&`, `||` and parentheses; empty means all. A comparison with an absent label is false,
 * except `!=` and `not in`, which are true.
 */
export function parseSelector(text: string): Selector {
  if (text.trim() === '') return () => true;
  const parser = new Parser(text, tokensOf(text));
  const selector = parser.any();
  parser.end();
  return selector;
}

function tokensOf(text: string): readonly string[] {
  const tokens: string[] = [];
  const trimmed = text.trimEnd();
  const scanner = new RegExp(TOKEN);
  while (scanner.lastIndex < trimmed.length) {
    const at = scanner.lastIndex;
    const match = scanner.exec(trimmed);
    if (match?.[1] === undefined) throw new SelectorError(text, trimmed.slice(at));
    tokens.push(match[1]);
  }
  return tokens;
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly string[];
  #next = 0;

  constructor(text: string, tokens: readonly string[]) {
    this.#text = text;
    this.#tokens = tokens;
  }

  any(): Selector {
    let left = this.#every();
    while (this.#take('||')) {
      const [a, b] = [left, this.#every()];
      left = (labels) => a(labels) || b(labels);
    }
    return left;
  }

  end(): void {
    if (this.#next < this.#tokens.length) this.#fail();
  }

  #every(): Selector {
    let left = this.#one();
    while (this.#take('&&')) {
      const [a, b] = [left, this.#one()];
      left = (labels) => a(labels) && b(labels);
    }
    return left;
  }

  #one(): Selector {
    if (this.#take('!')) {
      const inner = this.#one();
      return (labels) => !inner(labels);
    }
    if (this.#take('(')) {
      const inner = this.any();
      this.#expect(')');
      return inner;
    }
    const label = this.#word();
    if (this.#take('(')) return this.#call(label);
    return this.#comparison(label);
  }

  #call(name: string): Selector {
    if (name === 'all' || name === 'global') {
      this.#expect(')');
      return () => true;
    }
    if (name !== 'has') return this.#fail();
    const label = this.#word();
    this.#expect(')');
    return (labels) => labels[label] !== undefined;
  }

  #comparison(label: string): Selector {
    if (this.#take('==')) return this.#value((value, given) => value === given, label);
    if (this.#take('!=')) return this.#value((value, given) => value !== given, label);
    if (this.#take('contains')) return this.#value((value, given) => value?.includes(given) === true, label);
    if (this.#take('starts')) return this.#with((value, given) => value?.startsWith(given) === true, label);
    if (this.#take('ends')) return this.#with((value, given) => value?.endsWith(given) === true, label);
    if (this.#take('in')) return this.#set(label, false);
    if (this.#take('not')) {
      this.#expect('in');
      return this.#set(label, true);
    }
    return this.#fail();
  }

  #with(test: (value: string | undefined, given: string) => boolean, label: string): Selector {
    this.#expect('with');
    return this.#value(test, label);
  }

  #value(test: (value: string | undefined, given: string) => boolean, label: string): Selector {
    const given = this.#quoted();
    return (labels) => test(labels[label], given);
  }

  #set(label: string, negated: boolean): Selector {
    const values = new Set<string>();
    this.#expect('{');
    while (!this.#take('}')) {
      values.add(this.#quoted());
      if (!this.#take(',') && this.#tokens[this.#next] !== '}') this.#fail();
    }
    return (labels) => {
      const value = labels[label];
      return (value !== undefined && values.has(value)) !== negated;
    };
  }

  #quoted(): string {
    const token = this.#tokens[this.#next];
    if (token === undefined || !/^["']/.test(token)) return this.#fail();
    this.#next += 1;
    return token.slice(1, -1);
  }

  #word(): string {
    const token = this.#tokens[this.#next];
    if (token === undefined || !/^[A-Za-z0-9_./-]+$/.test(token)) return this.#fail();
    this.#next += 1;
    return token;
  }

  #take(token: string): boolean {
    if (this.#tokens[this.#next] !== token) return false;
    this.#next += 1;
    return true;
  }

  #expect(token: string): void {
    if (!this.#take(token)) this.#fail();
  }

  #fail(): never {
    throw new SelectorError(this.#text, this.#tokens.slice(this.#next).join(' ') || 'its end');
  }
}
