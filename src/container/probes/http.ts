import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { connectionFailure, hostPort, type ProbeResult, type ProbeTarget } from './target.ts';

export interface HttpGetAction {
  readonly kind: 'httpGet';
  readonly port: number;
  /** Default: the target's. */
  readonly host?: string;
  /** With its query. Default `/`. */
  readonly path?: string;
  /** Certificates of HTTPS are not verified. Default HTTP. */
  readonly scheme?: 'HTTP' | 'HTTPS';
  readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[];
}

type Headers = Readonly<Record<string, readonly string[]>>;

const MOST_REQUESTS = 10;
const MOST_BODY_BYTES = 10 * 1024;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * Succeeds on a status from 200 to 399. Redirects are followed on the same host alone; one that leads elsewhere, or
 * that says nowhere, is a success as it is.
 */
export async function probeHttp(action: HttpGetAction, target: ProbeTarget): Promise<ProbeResult> {
  target.signal.throwIfAborted();
  const first = urlOf(action, action.host ?? target.host);
  const deadline = AbortSignal.any([AbortSignal.timeout(target.timeoutMs), target.signal]);
  let [url, headers] = [first, headersOf(action)];
  try {
    for (let requests = 1; ; requests++) {
      const response = await get(url, headers, deadline);
      const location = REDIRECTS.has(response.statusCode ?? 0) ? response.headers.location : undefined;
      const next = location === undefined ? undefined : new URL(location, url);
      if (next === undefined || next.hostname !== first.hostname) return await verdictOf(response);
      response.destroy();
      url = next;
      if (requests >= MOST_REQUESTS) return failure(url, `stopped after ${MOST_REQUESTS} redirects`);
      // A host name of the caller's own is for the place that was asked for.
      if (location !== undefined && URL.canParse(location)) headers = without(headers, 'host');
    }
  } catch (error) {
    target.signal.throwIfAborted();
    const why = deadline.aborted ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)' : connectionFailure(error, placeOf(url));
    return failure(url, why);
  }
}

function urlOf({ scheme = 'HTTP', port, path = '/' }: HttpGetAction, host: string): URL {
  const url = new URL(`${scheme.toLowerCase()}://${hostPort(host, port)}`);
  const [plain = ''] = path.split('#');
  const query = plain.indexOf('?');
  url.pathname = query < 0 ? plain : plain.slice(0, query);
  url.search = query < 0 ? '' : plain.slice(query);
  return url;
}

/** Host and port, also where the port goes without saying. */
function placeOf({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`;
}

function failure(url: URL, why: string): ProbeResult {
  return { ok: false, message: `Get "${url.protocol}//${placeOf(url)}${url.pathname}${url.search}": ${why}` };
}

function headersOf({ httpHeaders = [] }: HttpGetAction): Headers {
  const headers: Record<string, string[]> = { 'user-agent': ['kube-probe/yadokari'], accept: ['*/*'] };
  const given = Map.groupBy(httpHeaders, ({ name }) => name.toLowerCase());
  for (const [name, entries] of given) headers[name] = entries.map(({ value }) => value);
  // An empty one of the caller's means none.
  return headers['accept']?.[0] === '' ? without(headers, 'accept') : headers;
}

function without(headers: Headers, name: string): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
}

function get(url: URL, headers: Headers, signal: AbortSignal): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const single = Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, name === 'host' ? values[0] : [...values]]));
  const options = { headers: single, signal, agent: false as const };
  const request = url.protocol === 'https:' ? requestHttps(url, { ...options, rejectUnauthorized: false }) : requestHttp(url, options);
  request.once('response', resolve);
  request.on('error', reject);
  request.end();
  return promise;
}

/** The body has to come too, its beginning at least. */
async function verdictOf(response: IncomingMessage): Promise<ProbeResult> {
  const { statusCode = 0 } = response;
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BODY_BYTES) break;
  }
  if (statusCode < 200 || statusCode >= 400) return { ok: false, message: `HTTP probe failed with statuscode: ${statusCode}` };
  return { ok: true, message: statusCode < 300 ? `statuscode: ${statusCode}` : `probe terminated redirects, statuscode: ${statusCode}` };
}
