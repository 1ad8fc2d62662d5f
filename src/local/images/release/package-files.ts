import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { run } from '../../../base/process.ts';
import { abort, PackageError } from '../packages.ts';
import type { DebianArchive } from './debian.ts';

/** A file or symbolic link of a package. */
interface PackageFile {
  readonly archive: DebianArchive;
  /** Where it was unpacked to. */
  readonly source: string;
  /** What a symbolic link says; undefined for a regular file. */
  readonly target: string | undefined;
}

/** The contents of many packages seen as one root folder. Paths have no leading slash, and /bin, /lib, /lib64 and /sbin are those below /usr. */
export class PackageFiles {
  readonly #files: ReadonlyMap<string, PackageFile>;

  private constructor(files: ReadonlyMap<string, PackageFile>) {
    this.#files = files;
  }

  /** Unpacks archives, given with their paths, into the folder. Nothing of them is run. */
  static async unpack(archives: ReadonlyMap<DebianArchive, string>, folder: string, signal?: AbortSignal): Promise<PackageFiles> {
    const files = new Map<string, PackageFile>();
    const waiting = [...archives];
    const unpackRest = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        await mkdir(join(folder, next[0].name), { recursive: true });
        await run('dpkg-deb', ['-x', next[1], join(folder, next[0].name)], { timeoutMs: 120_000, ...abort(signal) });
      }
    };
    await Promise.all([unpackRest(), unpackRest()]);
    for (const archive of archives.keys()) {
      const content = join(folder, archive.name);
      for (const entry of readdirSync(content, { recursive: true, withFileTypes: true })) {
        const source = join(entry.parentPath, entry.name);
        const target = entry.isSymbolicLink() ? readlinkSync(source) : undefined;
        if (entry.isFile() || target !== undefined) files.set(merged(source.slice(content.length + 1)), { archive, source, target });
      }
    }
    return new PackageFiles(files);
  }

  /** The regular file that a path leads to, links followed. */
  find(path: string): { readonly archive: DebianArchive; readonly source: string } | undefined {
    let current = merged(path);
    for (let links = 0; links < 20; links++) {
      const file = this.#files.get(current) ?? this.#throughFolderLink(current);
      if (file === undefined) return undefined;
      if (file.target === undefined) return file;
      current = resolved(current, file.target);
    }
    return undefined;
  }

  /** The path itself when it is a file or link, or all below it when it ends with a slash. Throws PackageError when there is none. */
  list(path: string): readonly string[] {
    const found = path.endsWith('/') ? [...this.#files.keys()].filter((name) => name.startsWith(path)) : [path].filter((name) => this.#files.has(name));
    if (found.length === 0) throw new PackageError(`no package has /${path}; this distribution may keep it elsewhere`, undefined);
    return found;
  }

  /** What the symbolic link at this path leads to, as a path; undefined where there is no link. */
  linkTarget(path: string): string | undefined {
    const target = this.#files.get(path)?.target;
    return target === undefined ? undefined : resolved(path, target);
  }

  /** A file's text; empty where there is none. */
  text(path: string): string {
    const found = this.find(path);
    return found === undefined ? '' : readFileSync(found.source, 'utf8');
  }

  archiveOf(path: string): DebianArchive | undefined {
    return this.#files.get(path)?.archive;
  }

  /** A folder on the way may be a link, such as the documentation of packages that share it. */
  #throughFolderLink(path: string): PackageFile | undefined {
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) {
      const target = this.#files.get(folder)?.target;
      if (target !== undefined) return this.#files.get(resolved(folder, target) + path.slice(folder.length));
    }
    return undefined;
  }
}

export interface FileContent {
  readonly content: Buffer;
  readonly mode: number;
}

export function contentOf({ source }: { readonly source: string }): FileContent {
  return { content: readFileSync(source), mode: statSync(source).mode & 0o777 };
}

function merged(path: string): string {
  return path.replace(/^\/?(?=(bin|lib|lib64|sbin)\/)/, 'usr/').replace(/^\//, '');
}

function resolved(link: string, target: string): string {
  return merged(posix.normalize(target.startsWith('/') ? target : posix.join(dirname(link), target)));
}
