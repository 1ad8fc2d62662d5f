import type { PodSandbox } from '../../port.ts';
import { encodeMessage, WireMessage, type WireField } from './wire.ts';

/** runtime.v1.StopContainerRequest. */
export function encodeStopContainer(id: string, timeoutSeconds: number): Buffer {
  return encodeMessage([[1, id], [2, timeoutSeconds]]);
}

/** runtime.v1.ListPodSandboxRequest for sandboxes that are ready; `podUid` limits it to one pod's. */
export function encodeListReadySandboxes(podUid: string | undefined): Buffer {
  const labels: readonly WireField[] = podUid === undefined ? [] : [[3, encodeMessage([[1, 'io.kubernetes.pod.uid'], [2, podUid]])]];
  // A PodSandboxStateValue that is there and empty means SANDBOX_READY, which is 0.
  return encodeMessage([[1, encodeMessage([[2, Buffer.alloc(0)], ...labels])]]);
}

/** Of a runtime.v1.ListPodSandboxResponse, the newest first. */
export function decodeSandboxes(answer: Buffer): readonly PodSandbox[] {
  const items = new WireMessage(answer).messages(1).map((item) => {
    const metadata = item.message(2);
    return { createdAt: item.number(4), sandbox: { id: item.text(1), pod: metadata.text(1), podUid: metadata.text(2), namespace: metadata.text(3) } };
  });
  return items.sort((a, b) => b.createdAt - a.createdAt).map(({ sandbox }) => sandbox);
}

/** runtime.v1.PodSandboxStatusRequest with what only the runtime knows. */
export function encodeSandboxStatus(id: string): Buffer {
  return encodeMessage([[1, id], [2, 1]]);
}

/** The process of a ready sandbox, from a verbose runtime.v1.PodSandboxStatusResponse of containerd or CRI-O. */
export function decodeSandboxPid(answer: Buffer): number | undefined {
  const message = new WireMessage(answer);
  if (message.message(1).number(3) !== 0) return undefined;
  const info = message.messages(2).find((entry) => entry.text(1) === 'info')?.text(2) ?? '{}';
  const { pid } = JSON.parse(info) as { readonly pid?: unknown };
  return typeof pid === 'number' && pid > 0 ? pid : undefined;
}

/** containerd.services.events.v1.SubscribeRequest. */
export function encodeSubscribe(filters: readonly string[]): Buffer {
  return encodeMessage(filters.map((filter) => [1, filter]));
}
