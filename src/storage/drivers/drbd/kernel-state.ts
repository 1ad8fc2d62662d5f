/** A device of DRBD 8.4 as the kernel has it. */
export interface KernelState {
  readonly minor: number;
  /** Connected, WFConnection, StandAlone, SyncSource, SyncTarget, VerifyS, … */
  readonly connection: string;
  readonly role: string;
  readonly peerRole: string;
  /** UpToDate, Consistent, Outdated, Inconsistent, Failed, Diskless, … */
  readonly disk: string;
  readonly peerDisk: string;
  /** Reads and writes wait. */
  readonly suspended: boolean;
  /** How far a resynchronisation or a comparison is. */
  readonly syncedPercent?: number;
  readonly outOfSyncBytes: number;
}

/** https://docs.linbit.com/docs/users-guide-8.4/#s-proc-drbd */
const DEVICE = /^ *(\d+): cs:(\w+)(?: ro:(\w+)\/(\w+) ds:(\w+)\/(\w+) \S* +([rs])\S*)?$/;

/** Devices that are configured, by their minor. */
export function parseProcDrbd(text: string): ReadonlyMap<number, KernelState> {
  const states = new Map<number, KernelState>();
  let last: KernelState | undefined;
  for (const line of text.split('\n')) {
    const [, minor, connection = '', role = '', peerRole = '', disk = '', peerDisk = '', running] = DEVICE.exec(line.trimEnd()) ?? [];
    if (minor !== undefined) {
      last = connection === 'Unconfigured' ? undefined : { minor: Number(minor), connection, role, peerRole, disk, peerDisk, suspended: running === 's', outOfSyncBytes: 0 };
    } else if (last !== undefined) {
      const [, percent] = /(?:sync'ed|verified): *([0-9.]+)%/.exec(line) ?? [];
      const [, outOfSync] = / oos:(\d+)/.exec(line) ?? [];
      last = { ...last, ...(percent === undefined ? {} : { syncedPercent: Number(percent) }), ...(outOfSync === undefined ? {} : { outOfSyncBytes: Number(outOfSync) * 1024 }) };
    }
    if (last !== undefined) states.set(last.minor, last);
  }
  return states;
}

/** `8.4.11`; undefined where it says none. */
export function versionOf(text: string): string | undefined {
  return /^version: ([0-9.]+)/m.exec(text)?.[1];
}

const ALONE: ReadonlySet<string> = new Set(['StandAlone', 'Disconnecting', 'Unconnected', 'Timeout', 'BrokenPipe', 'NetworkFailure', 'ProtocolError', 'TearDown', 'WFConnection', 'WFReportParams']);

export function isConnected({ connection }: Pick<KernelState, 'connection'>): boolean {
  return !ALONE.has(connection);
}
