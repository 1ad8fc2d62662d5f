import { XdrWriter, type XdrReader } from './rpc/xdr.ts';

/** Numbers of remote_protocol.x, as far as we use them. */
export const procedure = {
  connectOpen: 1,
  connectGetVersion: 4,
  domainGetXmlDesc: 14,
  domainGetInfo: 16,
  domainLookupByUuid: 24,
  domainResume: 28,
  domainSuspend: 34,
  authList: 66,
  domainAttachDeviceFlags: 160,
  domainDetachDeviceFlags: 161,
  domainUpdateDeviceFlags: 174,
  domainGetBlockInfo: 194,
  domainCreateWithFlags: 196,
  domainOpenConsole: 201,
  domainGetState: 212,
  domainUndefineFlags: 231,
  domainDestroyFlags: 234,
  domainReset: 245,
  domainBlockResize: 251,
  domainShutdownFlags: 258,
  connectListAllDomains: 273,
  eventRegisterAny: 316,
  eventLifecycle: 318,
  connectGetAllDomainStats: 344,
  eventAgentLifecycle: 348,
  domainDefineXmlFlags: 350,
} as const;

/** Of qemu_protocol.x. */
export const qemuProcedure = { agentCommand: 3 } as const;

export const eventId = { lifecycle: 0, agentLifecycle: 18 } as const;
export const consoleForce = 1;
/** The running domain only, not what it is started from next. */
export const affectLive = 1;
/** Sizes are in bytes. */
export const resizeBytes = 1;
export const shutdownFlag = { acpi: 1, agent: 2 } as const;
/** Also removes managed save, snapshot, NVRAM, checkpoint and TPM state. */
export const undefineEverything = 1 | 2 | 4 | 16 | 32;

export interface DomainReference {
  readonly name: string;
  readonly id: string;
}

/** libvirt finds a domain by its UUID alone; name and number may be anything in a call. */
export function domainArgs(id: string, name = ''): XdrWriter {
  return new XdrWriter().string(name).opaque(Buffer.from(id.replaceAll('-', ''), 'hex')).int(-1);
}

export function readDomain(reader: XdrReader): DomainReference {
  const name = reader.string();
  const hex = reader.opaque(16).toString('hex');
  reader.int();
  return { name, id: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') };
}
