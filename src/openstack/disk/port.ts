/** A disk of a cloud, read at any place, as long as the signal that it was opened with does not abort. */
export interface DiskReader extends AsyncDisposable {
  readonly sizeBytes: number;
  /** Fills the buffer with what the disk has from the offset on, all of which must lie within it. Rejects with an OpenStackError, or with the signal's reason. */
  read(offset: number, into: Buffer): Promise<void>;
}
