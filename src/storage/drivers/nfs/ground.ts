/** What a folder's file system can do with the trees that volumes are. Every call may be repeated. */
export interface Ground {
  readonly kind: 'btrfs' | 'plain';
  /** Whether volumes have limits, snapshots and clones. */
  readonly isRich: boolean;
  /** An empty tree at a path where nothing is. */
  make(tree: string, mode: number): Promise<void>;
  /** A tree with the content of another, which goes on being written. */
  copy(from: string, to: string, readOnly: boolean): Promise<void>;
  /** Gone with all that is in it. No error when there is none. */
  remove(tree: string): Promise<void>;
  /** No more than these bytes fit in. */
  limit(tree: string, sizeBytes: number): Promise<void>;
  /** Bytes that are neither taken nor promised. `sizes` are the limits of volumes, by their ids. */
  availableBytes(sizes: ReadonlyMap<string, number>): Promise<number>;
  /** What trees need before nfs-ganesha can export them; absent: nothing. */
  readonly mounts?: { ensure(trees: readonly string[]): Promise<void>; drop(tree: string): Promise<void> };
}
