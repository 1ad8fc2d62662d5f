import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import { run } from '../../src/base/process.ts';

interface Descriptor {
  readonly digest: string;
}

/** What an image runs, with its files in a folder. */
export interface UnpackedImage {
  readonly entrypoint: readonly string[];
  /** Such as `PATH=/usr/bin`. */
  readonly environment: readonly string[];
}

/** Unpacks the one image of an archive, as a container runtime would, into a folder that is new. */
export async function unpackImage(archive: string, folder: string): Promise<UnpackedImage> {
  const layout = `${folder}.layout`;
  await mkdir(layout, { recursive: true });
  await mkdir(folder);
  try {
    await run('tar', ['-xf', archive, '-C', layout]);
    const blobOf = ({ digest }: Descriptor): string => join(layout, 'blobs', digest.replace(':', '/'));
    const read = async <T>(path: string): Promise<T> => JSON.parse(await readFile(path, 'utf8')) as T;
    const { manifests: [only] } = await read<{ readonly manifests: readonly Descriptor[] }>(join(layout, 'index.json'));
    if (only === undefined) throw new Error(`${archive} has no image`);
    const manifest = await read<{ readonly config: Descriptor; readonly layers: readonly Descriptor[] }>(blobOf(only));
    for (const layer of manifest.layers) {
      const tar = spawn('tar', ['-x', '--no-same-owner', '-C', folder], { stdio: ['pipe', 'inherit', 'inherit'] });
      const ended = once(tar, 'close');
      await pipeline(createReadStream(blobOf(layer)), createZstdDecompress(), tar.stdin);
      const [code] = await ended as [number];
      if (code !== 0) throw new Error(`a layer of ${archive} cannot be unpacked`);
    }
    const { config } = await read<{ readonly config: { readonly Entrypoint?: readonly string[]; readonly Env?: readonly string[] } }>(blobOf(manifest.config));
    return { entrypoint: config.Entrypoint ?? [], environment: config.Env ?? [] };
  } finally {
    await rm(layout, { recursive: true, force: true });
  }
}
