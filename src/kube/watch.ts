import type { Readable } from 'node:stream';
import { ApiError, ApiUnavailableError } from './api-error.ts';
import type { KubeClient, WatchOptions } from './client.ts';
import type { KubeObject, Resource } from './object.ts';

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly object: { readonly metadata: { readonly resourceVersion: string } } };

interface WatchFailure {
  readonly type: 'ERROR';
  readonly object: { readonly code?: number };
}

/** The events of one watch until the server ends it. Throws ApiError for an ERROR event (410: relist). */
export async function* watchEvents<T extends KubeObject>(client: KubeClient, resource: Resource<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
  const stream = await client.openWatch(resource, options);
  try {
    // A stream that was destroyed before anybody listened ends no iteration.
    options.signal?.throwIfAborted();
    if (stream.destroyed) throw new ApiUnavailableError(`watch ${resource.plural}`, stream.errored);
    for await (const line of linesOf(stream)) {
      if (line === '') continue;
      const event = JSON.parse(line) as WatchEvent<T> | WatchFailure;
      if (event.type === 'ERROR') throw new ApiError(`watch ${resource.plural}`, event.object.code ?? 500, JSON.stringify(event.object));
      yield event;
    }
  } finally {
    stream.destroy();
  }
}

/** The lines of a stream; throws when it breaks off. */
async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let rest = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}
