/** A part of a list, in the order of the service. Whoever reads on to the end without an error has read all of it. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Time of the answer by the service's own clock, in milliseconds since the epoch. */
  readonly dateMs: number;
}

/** Everything of a list. Rejects, rather than to give a part, when any page of it fails. */
export async function all<T>(pages: AsyncIterable<Page<T>>): Promise<readonly T[]> {
  const items: T[] = [];
  for await (const page of pages) items.push(...page.items);
  return items;
}
