// The Kubernetes API as this pod's service account sees it.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const { SERVICE_ACCOUNT_FOLDER: folder = '/var/run/secrets/kubernetes.io/serviceaccount', KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = process.env;
const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;

/** The API server refused a call. */
export class ApiError extends Error {
  constructor(call, status, text) {
    super(`${call}: ${messageOf(text) ?? `HTTP ${status}`}`);
    this.status = status;
  }
}

/** One call; throws ApiError. */
export async function call(method, path, body, contentType = 'application/json') {
  const response = await fetch(`${server}${path}`, {
    method,
    headers: { authorization: `Bearer ${readFileSync(`${folder}/token`, 'utf8').trim()}`, 'content-type': contentType },
    signal: AbortSignal.timeout(20_000),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new ApiError(`${method} ${path.split('?')[0]}`, response.status, text);
  return JSON.parse(text);
}

/** The same, but undefined when there is no such object or kind. */
export async function callIfThere(method, path, body) {
  try {
    return await call(method, path, body);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** Asks again until `look` returns something; its errors count as "not yet". Throws once `deadline` has passed. */
export async function eventually(what, deadline, look) {
  for (let last = ''; ;) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      last = `: ${error.message}${error.cause === undefined ? '' : ` (${error.cause.message})`}`;
    }
    if (Date.now() > deadline) throw new Error(`${what} took too long${last}`);
    await delay(500);
  }
}

function messageOf(text) {
  try {
    return JSON.parse(text).message;
  } catch {
    return undefined;
  }
}
