import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js';
import { encodeMessage, WireMessage } from '../drivers/cri/wire.ts';
import { hostPort, type ProbeResult, type ProbeTarget } from './target.ts';

export interface GrpcAction {
  readonly kind: 'grpc';
  readonly port: number;
  /** Name of the service to ask for. Default: the server as a whole. */
  readonly service?: string;
}

/** https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
const METHOD = '/grpc.health.v1.Health/Check';
/** grpc.health.v1.HealthCheckResponse.ServingStatus, by its numbers. */
const SERVING_STATUS = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
/** Each try is a connection of its own, past the proxy that the host may have. */
const CHANNEL = { 'grpc.enable_http_proxy': 0, 'grpc.use_local_subchannel_pool': 1, 'grpc.primary_user_agent': 'kube-probe/yadokari' };

/** Succeeds when the gRPC health service answers SERVING. Without TLS, as the kubelet. */
export async function probeGrpc(action: GrpcAction, target: ProbeTarget): Promise<ProbeResult> {
  target.signal.throwIfAborted();
  const address = hostPort(target.host, action.port);
  const client = new Client(address, credentials.createInsecure(), CHANNEL);
  try {
    const answer = await check(client, action.service ?? '', target);
    const serving = SERVING_STATUS[new WireMessage(answer).number(1)] ?? 'UNKNOWN';
    return serving === 'SERVING' ? { ok: true, message: 'service healthy' } : { ok: false, message: `service unhealthy (responded with "${serving}")` };
  } catch (error) {
    target.signal.throwIfAborted();
    return { ok: false, message: failureOf(error as ServiceError, address, target.timeoutMs) };
  } finally {
    client.close();
  }
}

function check(client: Client, service: string, { timeoutMs, signal }: ProbeTarget): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const identity = (bytes: Buffer): Buffer => bytes;
  const call = client.makeUnaryRequest(METHOD, identity, identity, service === '' ? Buffer.alloc(0) : encodeMessage([[1, service]]), { deadline: Date.now() + timeoutMs }, (error, answer) => {
    signal.removeEventListener('abort', cancel);
    if (error === null) resolve(answer ?? Buffer.alloc(0));
    else reject(error);
  });
  const cancel = (): void => call.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  return promise;
}

function failureOf({ code, details }: ServiceError, address: string, timeoutMs: number): string {
  if (code === status.UNIMPLEMENTED) return `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${details}`;
  if (code === status.DEADLINE_EXCEEDED) return `timeout: health rpc did not complete within ${timeoutMs / 1000}s`;
  if (code === status.UNAVAILABLE) return `error: failed to connect service at "${address}": ${details}`;
  return `error: health rpc probe failed: ${details}`;
}
