import { isIPv6 } from 'node:net';
import { errnoOf, messageOf } from '../../base/errors.ts';

/** Whom a probe asks, and how long it waits for the answer. */
export interface ProbeTarget {
  /** An address, without brackets. */
  readonly host: string;
  readonly timeoutMs: number;
  /** Ends the try; nothing is known then. */
  readonly signal: AbortSignal;
}

export interface ProbeResult {
  readonly ok: boolean;
  /** One line for people; of a failure in the kubelet's words. */
  readonly message: string;
}

export function hostPort(host: string, port: number): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ETIMEDOUT: 'connection timed out',
  EPIPE: 'broken pipe',
};

/** What went wrong on a connection to `address`, as Go says it. */
export function connectionFailure(error: unknown, address: string): string {
  const errno = errnoOf(error);
  const { syscall } = error as { readonly syscall?: string };
  if (errno === 'ECONNRESET' && syscall === undefined) return 'EOF';
  const words = WORDS[errno ?? ''];
  if (words === undefined) return messageOf(error);
  return syscall === undefined || syscall === 'connect' ? `dial tcp ${address}: connect: ${words}` : `${syscall} tcp ${address}: ${words}`;
}
