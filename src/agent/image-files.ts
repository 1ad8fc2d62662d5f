import { realpath, stat } from 'node:fs/promises';
import type { CompiledImage } from '../api/compiled-guest.ts';
import { YadoError } from '../base/errors.ts';

/** A guest cannot be built until a person changes something. */
export class GuestBuildError extends YadoError {
  declare readonly code: 'SecretNotFound' | 'FileNotFound' | 'FileForbidden' | 'NoMetadataService';
  constructor(code: GuestBuildError['code'], message: string) {
    super(code, message, { disposition: 'stalled' });
  }
}

/** The files of this node that images may be. */
export class ImageFiles {
  readonly #directories: readonly string[];

  /** Folders below which images of source `file` may lie; links that lead out of them are refused. */
  constructor(directories: readonly string[]) {
    this.#directories = directories;
  }

  /** Rejects with a GuestBuildError when the image is a file of this node that is not offered. */
  async allow({ name, source }: CompiledImage): Promise<void> {
    if (source.kind !== 'file') return;
    const real = await realpath(source.path).catch(() => undefined);
    if (real === undefined) throw new GuestBuildError('FileNotFound', `image ${name}: there is no file ${source.path} on this node`);
    const allowed = await Promise.all(this.#directories.map((directory) => realpath(directory).catch(() => directory)));
    if (!allowed.some((directory) => real.startsWith(`${directory}/`)) || !(await stat(real)).isFile()) {
      throw new GuestBuildError('FileForbidden', `image ${name}: ${source.path} is not below ${this.#directories.join(' or ')}, where this node offers images`);
    }
  }
}
