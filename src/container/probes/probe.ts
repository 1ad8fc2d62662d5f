import { probeGrpc, type GrpcAction } from './grpc.ts';
import { probeHttp, type HttpGetAction } from './http.ts';
import { probeTcp, type TcpSocketAction } from './tcp.ts';
import type { ProbeResult, ProbeTarget } from './target.ts';

/** What a probe does, as core/v1 has it; `exec` is the caller's, who keeps to the target's timeout himself. */
export type ProbeAction =
  | HttpGetAction
  | TcpSocketAction
  | GrpcAction
  | { readonly kind: 'exec'; readonly run: (target: ProbeTarget) => Promise<ProbeResult> };

/**
 * Makes one try, with the kubelet's rules and in its words. Rejects only when nothing was learned of the target: with
 * the signal's reason, or with what `exec` throws.
 */
export function probe(action: ProbeAction, target: ProbeTarget): Promise<ProbeResult> {
  switch (action.kind) {
    case 'httpGet':
      return probeHttp(action, target);
    case 'tcpSocket':
      return probeTcp(action, target);
    case 'grpc':
      return probeGrpc(action, target);
    case 'exec':
      return action.run(target);
  }
}
