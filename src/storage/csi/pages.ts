import { status } from '@grpc/grpc-js';
import { CsiError, invalid } from './status.ts';

/** A part of a list that is sorted by id; `nextToken` is the id at which the next part begins, or ''. */
export function pageOf<T extends { readonly id: string }>(all: readonly T[], maxEntries: number, startingToken: string): { readonly page: readonly T[]; readonly nextToken: string } {
  if (maxEntries < 0) throw invalid(`max_entries is ${maxEntries}, and cannot be negative`);
  // What was listed before may be gone: the next one goes on.
  if (startingToken !== '' && !/^[a-z]+-[0-9a-f-]+$/.test(startingToken)) throw new CsiError(status.ABORTED, `starting_token ${JSON.stringify(startingToken)} is none that was given out`);
  const rest = all.filter(({ id }) => id >= startingToken);
  const page = maxEntries === 0 ? rest : rest.slice(0, maxEntries);
  return { page, nextToken: rest[page.length]?.id ?? '' };
}
