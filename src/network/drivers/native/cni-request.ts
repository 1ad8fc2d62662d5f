import { YadoError } from '../../../base/errors.ts';

/** What the plugin forwards, one JSON line. */
export interface CniRequest {
  readonly command: 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS';
  readonly containerId: string;
  readonly netns: string;
  readonly ifName: string;
  /** CNI_ARGS: `K8S_POD_NAMESPACE=…;K8S_POD_NAME=…;K8S_POD_UID=…`. */
  readonly args: string;
  /** The network configuration, as given to the plugin. */
  readonly config: { readonly cniVersion?: string; readonly 'cni.dev/valid-attachments'?: readonly { readonly containerID: string; readonly ifname: string }[] };
}

/** What the plugin prints: `output` with exit code 0, or the error with exit code 1. */
export interface CniReply {
  readonly ok: boolean;
  readonly output: unknown;
}

/** https://www.cni.dev/docs/spec/#error */
export const CniCode = { unknownContainer: 3, invalidEnvironment: 4, tryAgainLater: 11, unavailable: 50, internal: 999 } as const;

export class CniError extends YadoError {
  readonly cniCode: number;
  constructor(cniCode: number, message: string, cause?: unknown) {
    super('CniError', message, { cause });
    this.cniCode = cniCode;
  }
}

/** An interface and its address, ready for a result. */
export interface CniEndpoint {
  readonly address: string;
  readonly macAddress: string;
  readonly hostInterface: string;
  readonly hostMac: string;
  readonly gateway: string;
}

/** Fields of CNI_ARGS. */
export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

const COMMANDS: ReadonlySet<string> = new Set(['ADD', 'DEL', 'CHECK', 'GC', 'STATUS']);

export function parseCniRequest(line: string): CniRequest {
  let request: Partial<CniRequest> | null;
  try {
    request = JSON.parse(line) as Partial<CniRequest> | null;
  } catch (error) {
    throw new CniError(CniCode.invalidEnvironment, 'the CNI request is no JSON', error);
  }
  if (request === null || !COMMANDS.has(request.command ?? '')) throw new CniError(CniCode.invalidEnvironment, `CNI_COMMAND ${String(request?.command)} is not known`);
  const { command = 'STATUS', containerId = '', netns = '', ifName = '', args = '', config = {} } = request;
  // The container's id becomes an object's and a file's name.
  if (command !== 'GC' && command !== 'STATUS' && !/^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}$/.test(containerId)) {
    throw new CniError(CniCode.invalidEnvironment, `CNI_CONTAINERID ${JSON.stringify(containerId)} is not valid`);
  }
  if (command === 'ADD' && (!/^\/[^\s]+$/.test(netns) || !/^[^\s/:]{1,15}$/.test(ifName))) {
    throw new CniError(CniCode.invalidEnvironment, 'CNI_NETNS must be a path and CNI_IFNAME an interface name');
  }
  return { command, containerId, netns, ifName, args, config };
}

/** Undefined when the runtime does not say which pod it is. */
export function podOf(args: string): PodIdentity | undefined {
  const fields = new Map(args.split(';').map((field) => {
    const at = field.indexOf('=');
    return [field.slice(0, at), field.slice(at + 1)] as const;
  }));
  const namespace = fields.get('K8S_POD_NAMESPACE');
  const name = fields.get('K8S_POD_NAME');
  return namespace === undefined || name === undefined ? undefined : { namespace, name, uid: fields.get('K8S_POD_UID') ?? '' };
}

/** https://www.cni.dev/docs/spec/#add-success */
export function cniResult(request: CniRequest, endpoint: CniEndpoint): unknown {
  const cniVersion = request.config.cniVersion ?? '1.0.0';
  const legacy = cniVersion.startsWith('0.');
  return {
    cniVersion,
    interfaces: [
      { name: endpoint.hostInterface, mac: endpoint.hostMac },
      { name: request.ifName, mac: endpoint.macAddress, sandbox: request.netns },
    ],
    ips: [{ ...(legacy ? { version: '4' } : {}), address: `${endpoint.address}/32`, gateway: endpoint.gateway, interface: 1 }],
    routes: [{ dst: '0.0.0.0/0', gw: endpoint.gateway }],
    dns: {},
  };
}

export function cniErrorOutput(request: CniRequest | undefined, code: number, message: string): unknown {
  return { cniVersion: request?.config.cniVersion ?? '1.0.0', code, msg: message, details: '' };
}
