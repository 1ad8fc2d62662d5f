import type { OpenStackErrorCode } from '../errors.ts';

/** What a service says is wrong, as far as it says it. */
export interface Fault {
  readonly message: string;
  /** Its own name for it: `conflictingRequest`, `NetworkInUse`, … */
  readonly reason?: string;
  /** Keystone answers some with a code of its own in the body. */
  readonly code?: number;
}

const LONGEST = 500;

/**
 * The shapes that services have: one key with code and message (Nova, Cinder), `NeutronError`, Keystone's `error`,
 * Placement's `errors`, and pages of HTML (Glance, proxies).
 */
export function faultOf(status: number, body: string): Fault {
  const json = parsed(body);
  if (json === undefined) return { message: shortened(textOfHtml(body)) || `HTTP ${status}` };
  const [reason, inner] = Object.entries(json)[0] ?? [];
  const fault = Array.isArray(inner) ? inner[0] as unknown : inner;
  if (typeof fault === 'string') return { message: shortened(fault) };
  if (typeof fault !== 'object' || fault === null) return { message: `HTTP ${status}` };
  const { message, detail, title, type, code } = fault as Readonly<Record<string, unknown>>;
  const said = [message, detail, title].find((text) => typeof text === 'string' && text !== '');
  return {
    message: shortened(typeof said === 'string' ? said : `HTTP ${status}`),
    ...(typeof type === 'string' ? { reason: type } : reason === undefined || reason === 'error' || reason === 'errors' ? {} : { reason }),
    ...(typeof code === 'number' ? { code } : {}),
  };
}

/** Which of our errors an answer is. `authenticating`: it answers a request for a token. */
export function codeOf(status: number, fault: Fault, authenticating: boolean): OpenStackErrorCode {
  if (status === 401 || (authenticating && (status === 404 || fault.code === 401 || fault.code === 404))) return 'AuthenticationFailed';
  if (isQuota(status, fault)) return 'QuotaExceeded';
  switch (status) {
    case 403: return 'Forbidden';
    case 404: return 'NotFound';
    case 406: return 'MicroversionUnsupported';
    case 409: return 'Conflict';
    case 412: return 'RevisionConflict';
    case 429: return 'TooManyRequests';
    // Nova's and Cinder's overLimit was 413 before it was 429; of anybody else it is a body that is too large.
    case 413: return fault.reason === 'overLimit' ? 'TooManyRequests' : 'InvalidRequest';
    default: return status >= 500 ? 'ServiceFailed' : status >= 400 ? 'InvalidRequest' : 'InvalidAnswer';
  }
}

/** Nova's is 403, Cinder's 413 with the advice to try again at once, Neutron's 409. */
function isQuota(status: number, { reason, message }: Fault): boolean {
  return reason === 'OverQuota' || ([403, 409, 413].includes(status) && /\bquota\b/i.test(message));
}

function parsed(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(body);
    return typeof json === 'object' && json !== null ? json as Readonly<Record<string, unknown>> : undefined;
  } catch {
    return undefined;
  }
}

function textOfHtml(body: string): string {
  const title = /<title>\s*([^<]*?)\s*<\/title>/i.exec(body)?.[1] ?? '';
  const text = body.replace(/<(head|style|script)[\s>].*?<\/\1>/gis, ' ').replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ').trim();
  return text.startsWith(title) ? text : `${title} ${text}`;
}

function shortened(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
