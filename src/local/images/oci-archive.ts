import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { FileTree } from './file-tree.ts';
import { tarArchive } from './tar-archive.ts';

/** A layer as it lies in an image, and the digest of its uncompressed archive. */
export interface PackedLayer {
  readonly content: Buffer;
  readonly diffId: string;
}

export interface OciImage {
  /** Full names with tags, such as `localhost/yadokari/pause:1`. */
  readonly names: readonly string[];
  /** From the lowest to the uppermost. */
  readonly layers: readonly (FileTree | PackedLayer)[];
  /** Ids of user and group; root when left out. */
  readonly user?: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An OCI image layout as a tar archive, as `ctr images import` takes it, with the digests of its manifests in the same order. */
export interface OciArchive {
  readonly content: Buffer;
  readonly digests: readonly string[];
}

export const manifestMediaType = 'application/vnd.oci.image.manifest.v1+json';

const platform = { architecture: 'amd64', os: 'linux' } as const;

/** Packs images. Same input, same bytes. */
export async function ociArchive(images: readonly OciImage[]): Promise<OciArchive> {
  const layout = new FileTree().file('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const blob = (mediaType: string, content: Buffer) => {
    const digest = sha256(content);
    layout.file(`blobs/sha256/${digest.slice('sha256:'.length)}`, content);
    return { mediaType, digest, size: content.length };
  };
  const packed = await Promise.all(images.map(async (image) => {
    const layers = await Promise.all(image.layers.map(async (layer) => (layer instanceof FileTree ? packLayer(layer) : layer)));
    const config = blob('application/vnd.oci.image.config.v1+json', Buffer.from(JSON.stringify({
      created: '1970-01-01T00:00:00Z',
      ...platform,
      config: { User: image.user, Entrypoint: image.entrypoint, Cmd: image.command, Env: image.environment, WorkingDir: '/', Labels: image.annotations },
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    })));
    const manifest = { schemaVersion: 2, mediaType: manifestMediaType, config, layers: layers.map(({ content }) => blob('application/vnd.oci.image.layer.v1.tar+zstd', content)), annotations: image.annotations };
    return { ...blob(manifestMediaType, Buffer.from(JSON.stringify(manifest))), names: image.names };
  }));
  const manifests = packed.flatMap(({ names, ...descriptor }) => names.map((name) => ({
    ...descriptor, platform, annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1) },
  })));
  layout.file('index.json', JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests }));
  return { content: tarArchive(layout), digests: packed.map(({ digest }) => digest) };
}

/** Packs a layer. zstd with one thread gives the same bytes on every processor, which zlib's fast paths do not. */
export async function packLayer(tree: FileTree): Promise<PackedLayer> {
  const archive = tarArchive(tree);
  // Above this level it takes much longer for little.
  const params = { [constants.ZSTD_c_compressionLevel]: 12, [constants.ZSTD_c_checksumFlag]: 1 };
  return { content: await promisify(zstdCompress)(archive, { params }), diffId: sha256(archive) };
}

function sha256(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
