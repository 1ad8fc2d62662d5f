import { MOST_PROBLEMS } from '../../api/open-stack-tenant.ts';

const LONGEST = 512;

/** What is not mirrored as it is, by what it is about. */
export class Problems {
  readonly #lines = new Map<string, { readonly text: string; readonly overlap?: string }>();

  set(key: string, text: string | undefined, overlap?: string): void {
    if (text === undefined) this.#lines.delete(key);
    else this.#lines.set(key, { text, ...(overlap === undefined ? {} : { overlap }) });
  }

  /** Networks that are the cluster's own already. */
  get overlaps(): readonly string[] {
    return [...this.#lines.values()].flatMap(({ overlap }) => (overlap === undefined ? [] : [overlap])).sort();
  }

  /** In a lasting order, after those that are told first; the last line counts what there is no room for. */
  lines(first: readonly string[]): readonly string[] {
    const all = [...first, ...[...this.#lines.values()].map(({ text }) => text).sort()].map((text) => text.slice(0, LONGEST));
    return all.length <= MOST_PROBLEMS ? all : [...all.slice(0, MOST_PROBLEMS - 1), `and ${all.length - MOST_PROBLEMS + 1} more`];
  }
}
