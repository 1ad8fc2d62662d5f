import type { Readable } from 'node:stream';

/** A file of a volume's tree. */
export interface VolumeFile {
  /** Relative, with `/` between folders, never leaving the volume. */
  readonly path: string;
  readonly mode: number;
  /** Id of the user that it belongs to; default: root. */
  readonly owner?: number;
  readonly content: Buffer;
}

export interface FolderOptions {
  readonly mode: number;
  /** Owning group, and the set-group-id bit with it. */
  readonly group?: number;
  /** A tmpfs of this size instead of a folder. */
  readonly memory?: { readonly sizeBytes?: number };
}

/**
 * Files of pods on the machine whose runtime runs them. Paths are relative to `root`. All calls are idempotent. The
 * first part of a path is a folder of its own, such as one pod's: a path that leaves it, by itself or through a
 * symbolic link that a container has made, is refused, and so is a rename from one to another. Content of more than
 * 16 MiB in one call is refused too.
 */
export interface PodFiles {
  /** Absolute path of all pods' files, as the container runtime sees it; mounts of containers name it. */
  readonly root: string;
  /** Makes the folder and those above it; one that exists gets the mode, what is in it stays. */
  makeFolder(path: string, options: FolderOptions, signal?: AbortSignal): Promise<void>;
  /**
   * Replaces the folder's content so that a reader sees all of the old or all of the new: the kubelet's scheme of a
   * `..data` link to a folder named after the time, and a link for each first part of a path. What already is there
   * with the same content stays untouched.
   */
  writeVolume(path: string, files: readonly VolumeFile[], options?: { readonly group?: number }, signal?: AbortSignal): Promise<void>;
  /** Writes one file as a whole, in place, so that a bind mount of it shows the new content. */
  writeFile(path: string, content: Buffer | string, mode: number, signal?: AbortSignal): Promise<void>;
  /** At most `maxBytes` of a file, its end when it is longer; undefined when there is none. */
  readFile(path: string, maxBytes: number, signal?: AbortSignal): Promise<Buffer | undefined>;
  /** A file from a byte offset to its present end. Undefined when there is none. */
  readFrom(path: string, offset: number, signal?: AbortSignal): Promise<Readable | undefined>;
  stat(path: string, signal?: AbortSignal): Promise<{ readonly sizeBytes: number; readonly inode: number } | undefined>;
  rename(from: string, to: string, signal?: AbortSignal): Promise<void>;
  /** Sorted names in a folder, of '' in the root; none when there is no folder. */
  list(path: string, signal?: AbortSignal): Promise<readonly string[]>;
  /** Bytes that a tree takes up on disk or in memory. */
  usage(path: string, signal?: AbortSignal): Promise<number>;
  /** Removes a tree, with what is mounted in it by makeFolder. */
  remove(path: string, signal?: AbortSignal): Promise<void>;
}
