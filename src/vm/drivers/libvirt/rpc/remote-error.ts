import { XdrReader, XdrWriter } from './xdr.ts';

/** The codes of libvirt's virterror.h that we tell apart. */
export const libvirtCode = {
  noMemory: 2,
  operationFailed: 9,
  xmlError: 27,
  xmlDetail: 35,
  domainExists: 28,
  invalidArgument: 8,
  noDomain: 42,
  operationInvalid: 55,
  configUnsupported: 67,
  operationTimeout: 68,
  argumentUnsupported: 74,
  agentUnresponsive: 86,
  agentUnsynced: 97,
  resourceBusy: 87,
  deviceMissing: 99,
} as const;

/** libvirtd refused a call; `libvirtCode` is the number of virErrorNumber. */
export class RemoteError extends Error {
  readonly libvirtCode: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'RemoteError';
    this.libvirtCode = code;
  }
}

export function decodeRemoteError(payload: Buffer): RemoteError {
  const reader = new XdrReader(payload);
  const code = reader.int();
  reader.int();
  return new RemoteError(code, reader.optionalString() ?? `libvirt error ${code}`);
}

/** The error with which a client aborts a stream. */
export function encodeRemoteError(message: string): Buffer {
  const writer = new XdrWriter().int(38).int(7).optionalString(message).int(2).unsigned(0);
  return writer.unsigned(0).unsigned(0).unsigned(0).int(0).int(0).unsigned(0).toBuffer();
}
