import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** User data of the hello example with one more page, which never ends. */
export function withStream(userData: string): string {
  const page = "cat > /www/cgi-bin/stream <<'END'\n#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nwhile echo tick; do sleep 0.2; done\nEND\n";
  const made = userData.replace(/^chmod /m, () => `${page}chmod `);
  if (made === userData) throw new Error('the user data has no line that begins with chmod');
  return made;
}

/** A connection to such a guest that is used all the time. */
export class GuestStream {
  lines = 0;
  open = true;
  #last = performance.now();
  #longestMs = 0;
  readonly #response: http.IncomingMessage;

  private constructor(response: http.IncomingMessage) {
    this.#response = response;
    response.setEncoding('utf8').on('data', (chunk: string) => {
      this.lines += chunk.split('tick').length - 1;
      this.#longestMs = this.silenceMs;
      this.#last = performance.now();
    });
    for (const event of ['end', 'error', 'aborted']) response.on(event, () => void (this.open = false));
  }

  static async open(address: string): Promise<GuestStream> {
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    http.get(`http://${address}/cgi-bin/stream`, { agent: false }, resolve).on('error', reject);
    return new GuestStream(await promise);
  }

  /** The longest silence so far, the present one included. */
  get silenceMs(): number {
    return Math.max(this.#longestMs, performance.now() - this.#last);
  }

  /** Begins to measure silence anew. */
  listen(): void {
    this.#longestMs = 0;
    this.#last = performance.now();
  }

  close(): void {
    this.#response.destroy();
  }
}

/** A page as text; tried three times. */
export async function pageText(address: string, path: string): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      const response = await fetch(`http://${address}${path}`, { signal: AbortSignal.timeout(6000) });
      return await response.text();
    } catch (error) {
      if (tries === 3) throw error;
      await delay(200);
    }
  }
}
