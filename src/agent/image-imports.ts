import { setTimeout as delay } from 'node:timers/promises';
import type { CompiledImage } from '../api/compiled-guest.ts';
import { YadoError } from '../base/errors.ts';
import type { ImageStore, ImportedImage, ImportProgress } from '../vm/port.ts';
import type { Anchor } from './anchor.ts';

export interface ImageImportsOptions {
  readonly images: ImageStore;
  /** Called when an import that was not waited for has ended, well or not. */
  readonly onEnd: (anchor: Anchor) => void;
  /** How long a start waits for an image before it gives way. Default 2000. */
  readonly patienceMs?: number;
}

/** The image is still being imported; `onEnd` tells when to ask again. */
export class ImageImportingError extends YadoError {
  declare readonly code: 'ImageImporting';
  constructor(image: string) {
    super('ImageImporting', `image ${image} is being imported`, { disposition: 'wait' });
  }
}

/** The signal lasts as long as the import. */
export type OnProgress = (progress: ImportProgress, signal: AbortSignal) => void;

interface Import {
  readonly anchor: Anchor;
  readonly result: Promise<ImportedImage>;
  readonly abort: AbortController;
  /** Whether somebody was told to come back. */
  isLate: boolean;
}

const PATIENCE_MS = 2000;

/**
 * Imports for anchors. An import may take hours: it goes on beside the starts of guests instead of holding one up, and
 * ends when no anchor wants the image any more.
 */
export class ImageImports {
  readonly #options: ImageImportsOptions;
  readonly #imports = new Map<string, Import>();

  constructor(options: ImageImportsOptions) {
    this.#options = options;
  }

  /** The image; rejects with ImageImportingError when it takes longer, and with the store's ImageError when it cannot be had. */
  async ensure(anchor: Anchor, image: CompiledImage, onProgress: OnProgress, signal: AbortSignal): Promise<ImportedImage> {
    const id = `${anchor.uid}/${image.key}`;
    const entry = this.#imports.get(id) ?? this.#begin(id, anchor, image, onProgress);
    const waiting = new AbortController();
    const patience = delay(this.#options.patienceMs ?? PATIENCE_MS, undefined, { signal: AbortSignal.any([signal, waiting.signal]) });
    try {
      const imported = await Promise.race([entry.result, patience]);
      if (imported !== undefined) return this.#end(id, entry, imported);
    } catch (error) {
      if (!signal.aborted) this.#end(id, entry, undefined);
      throw error;
    } finally {
      waiting.abort();
    }
    entry.isLate = true;
    throw new ImageImportingError(image.name);
  }

  /** The anchor is going: nothing is imported for it any more. */
  abandon(anchor: Anchor): void {
    for (const [id, entry] of this.#imports) {
      if (entry.anchor.uid !== anchor.uid) continue;
      this.#imports.delete(id);
      entry.isLate = false;
      entry.abort.abort(new Error(`anchor ${anchor.key} is going`));
    }
  }

  #begin(id: string, anchor: Anchor, image: CompiledImage, onProgress: OnProgress): Import {
    const abort = new AbortController();
    const result = this.#options.images.ensure(image, { signal: abort.signal, onProgress: (progress) => onProgress(progress, abort.signal) });
    const entry: Import = { anchor, result, abort, isLate: false };
    const ended = (): void => {
      if (entry.isLate) this.#options.onEnd(anchor);
    };
    result.then(ended, ended);
    this.#imports.set(id, entry);
    return entry;
  }

  #end<T>(id: string, entry: Import, value: T): T {
    if (this.#imports.get(id) === entry) this.#imports.delete(id);
    return value;
  }
}
