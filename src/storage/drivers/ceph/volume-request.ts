import { StorageError, type VolumeRequest, type VolumeSource } from '../../port.ts';

/** Of what sizes volumes are. */
export interface SizeRule {
  readonly unitBytes: number;
}

/** What both kinds keep of a volume. */
export interface KnownVolume {
  readonly sizeBytes: number;
  readonly source?: VolumeSource;
}

export function roundedBytes(sizeBytes: number, { unitBytes }: SizeRule): number {
  return Math.max(Math.ceil(sizeBytes / unitBytes), 1) * unitBytes;
}

/** Bytes that a new volume has. Throws InvalidRequest where none can be as it is asked for. */
export function wantedBytes({ sizeBytes, limitBytes = Infinity }: VolumeRequest, rule: SizeRule): number {
  const wanted = roundedBytes(sizeBytes, rule);
  if (wanted > limitBytes) throw new StorageError('InvalidRequest', `a volume here has a multiple of ${rule.unitBytes} bytes: none fits between ${sizeBytes} and ${limitBytes}`);
  return wanted;
}

/** Throws NameTaken when the volume of this name is not as it is asked for. */
export function mustMatch({ name, sizeBytes, limitBytes = Infinity, source }: VolumeRequest, known: KnownVolume): void {
  if (known.sizeBytes >= sizeBytes && known.sizeBytes <= limitBytes && known.source?.id === source?.id) return;
  throw new StorageError('NameTaken', `there is a volume ${name} already, of ${known.sizeBytes} bytes${known.source === undefined ? '' : ` from ${known.source.kind} ${known.source.id}`}`);
}

/** Throws InvalidRequest when the copy would be smaller than what it is of. */
export function mustHold(wanted: number, originBytes: number): void {
  if (wanted < originBytes) throw new StorageError('InvalidRequest', `a volume of ${wanted} bytes is too small for its source of ${originBytes}`);
}

export function missingVolume(id: string): StorageError {
  return new StorageError('VolumeNotFound', `there is no volume ${id}`);
}

export function missingSnapshot(id: string): StorageError {
  return new StorageError('SnapshotNotFound', `there is no snapshot ${id}`);
}
