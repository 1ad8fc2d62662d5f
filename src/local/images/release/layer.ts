import { posix } from 'node:path';
import { run } from '../../../base/process.ts';
import { FileTree } from '../file-tree.ts';
import { PackageError } from '../packages.ts';
import type { DebianArchive } from './debian.ts';
import { elfNeeds, isElf } from './elf.ts';
import { contentOf, type FileContent, type PackageFiles } from './package-files.ts';

const libraryFolders = ['usr/lib/x86_64-linux-gnu', 'usr/lib'];

/** Collects the layers of one image from files of packages and of our own; what a lower layer has is not repeated. */
export class LayerBuilder {
  readonly #packages: PackageFiles;
  readonly #archives: ReadonlyMap<DebianArchive, string>;
  readonly #present = new Set<string>();
  readonly #described = new Set<DebianArchive>();
  #used = new Set<DebianArchive>();
  #tree = new FileTree();

  constructor(packages: PackageFiles, archives: ReadonlyMap<DebianArchive, string>) {
    this.#packages = packages;
    this.#archives = archives;
  }

  /** Packages of which the image has something, so far. */
  get archives(): readonly DebianArchive[] {
    return [...new Set([...this.#described, ...this.#used])].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  has(path: string): boolean {
    return this.#present.has(path);
  }

  /** A folder with this mode. */
  folder(path: string, mode = 0o755): this {
    this.#tree.folder(path, mode);
    return this;
  }

  link(path: string, target: string): this {
    this.#tree.link(path, target);
    this.#present.add(path);
    return this;
  }

  /** A file of our own; of a program all shared libraries come with it. */
  file(path: string, content: Buffer | string, mode = 0o644): this {
    this.#tree.file(path, content, mode);
    this.#present.add(path);
    if (typeof content !== 'string' && isElf(content)) this.#addNeeds(path, content);
    return this;
  }

  /** Files of packages with their libraries; a path that ends with a slash means all below it. Links stay links and bring what they lead to. */
  fromPackages(...paths: readonly string[]): this {
    for (const path of paths.flatMap((name) => this.#packages.list(name))) this.#addFromPackage(path);
    return this;
  }

  /** Ends a layer: adds what licences and scanners ask for of each package that is new, and begins the next. */
  async finish(): Promise<FileTree> {
    for (const archive of this.#used) {
      if (this.#described.has(archive)) continue;
      this.#described.add(archive);
      const copyright = this.#packages.find(`usr/share/doc/${archive.name}/copyright`);
      if (copyright !== undefined) this.#tree.file(`usr/share/doc/${archive.name}/copyright`, contentOf(copyright).content);
      const control = await run('dpkg-deb', ['-f', this.#archives.get(archive) ?? '']);
      this.#tree.file(`var/lib/dpkg/status.d/${archive.name}`, control.replace(/^(Package: .*)$/m, '$1\nStatus: install ok installed'));
    }
    const tree = this.#tree;
    this.#tree = new FileTree();
    this.#used = new Set();
    return tree;
  }

  #addFromPackage(path: string): void {
    if (this.#present.has(path)) return;
    const target = this.#packages.linkTarget(path);
    if (target === undefined) return void this.#addFile(path, this.#find(path));
    const archive = this.#packages.archiveOf(path);
    if (archive !== undefined) this.#used.add(archive);
    this.link(path, posix.relative(posix.dirname(path), target));
    this.#addFromPackage(target);
  }

  #addFile(path: string, found: { readonly archive: DebianArchive; readonly source: string }): FileContent {
    const file = contentOf(found);
    this.#used.add(found.archive);
    this.file(path, file.content, file.mode);
    return file;
  }

  #addNeeds(path: string, content: Buffer): void {
    const { interpreter, libraries, searchFolders } = elfNeeds(content);
    const folders = [...searchFolders.map((folder) => posix.normalize(folder.replace('$ORIGIN', `/${posix.dirname(path)}`)).slice(1)), ...libraryFolders];
    const interpreterPath = interpreter === undefined ? undefined : `usr${interpreter}`;
    if (interpreterPath !== undefined && !this.#present.has(interpreterPath)) this.#addFile(interpreterPath, this.#find(interpreterPath));
    for (const name of libraries) {
      const candidates = folders.map((folder) => `${folder}/${name}`);
      if (candidates.some((candidate) => this.#present.has(candidate))) continue;
      const library = candidates.find((candidate) => this.#packages.find(candidate) !== undefined);
      if (library === undefined) throw new PackageError(`/${path} needs ${name}, which no package has`, undefined);
      this.#addFile(library, this.#find(library));
    }
  }

  #find(path: string): { readonly archive: DebianArchive; readonly source: string } {
    const found = this.#packages.find(path);
    if (found === undefined) throw new PackageError(`no package has /${path}`, undefined);
    return found;
  }
}
