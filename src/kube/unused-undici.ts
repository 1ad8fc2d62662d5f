/**
 * Stands in for the package undici in bundled programs. The Kubernetes client imports it for its generated API, which
 * is not used here: requests go through node:https. Left out, it saves each program a dozen megabytes.
 */
export function Agent(): never {
  throw new Error('undici is left out of bundled programs');
}

export function ProxyAgent(): never {
  return Agent();
}

export const fetch = globalThis.fetch;
