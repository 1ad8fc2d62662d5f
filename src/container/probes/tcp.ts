import { connect } from 'node:net';
import { connectionFailure, hostPort, type ProbeResult, type ProbeTarget } from './target.ts';

export interface TcpSocketAction {
  readonly kind: 'tcpSocket';
  readonly port: number;
  /** Default: the target's. */
  readonly host?: string;
}

/** Succeeds when the port accepts a connection. */
export async function probeTcp(action: TcpSocketAction, target: ProbeTarget): Promise<ProbeResult> {
  target.signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<ProbeResult>();
  const host = action.host ?? target.host;
  const address = hostPort(host, action.port);
  const socket = connect({ host, port: action.port });
  const deadline = AbortSignal.any([AbortSignal.timeout(target.timeoutMs), target.signal]);
  const onAbort = (): void => (target.signal.aborted ? reject(target.signal.reason as Error) : resolve({ ok: false, message: `dial tcp ${address}: i/o timeout` }));
  deadline.addEventListener('abort', onAbort, { once: true });
  socket.once('connect', () => resolve({ ok: true, message: `${address} accepts connections` }));
  socket.on('error', (error) => resolve({ ok: false, message: connectionFailure(error, address) }));
  try {
    return await promise;
  } finally {
    deadline.removeEventListener('abort', onAbort);
    socket.destroy();
  }
}
