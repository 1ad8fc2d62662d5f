import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { FileTree } from './file-tree.ts';
import { tarArchive } from './tar-archive.ts';

export interface OciImage {
  /** Full name with tag, such as `localhost/yadokari/pause:1`. */
  readonly name: string;
  readonly tree: FileTree;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: readonly string[];
}

/** Images of one layer each as an OCI image layout in a tar archive, as `ctr images import` takes it. Same input, same bytes. */
export function ociArchive(images: readonly OciImage[]): Buffer {
  const layout = new FileTree().file('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const blob = (mediaType: string, content: Buffer) => {
    const digest = createHash('sha256').update(content).digest('hex');
    layout.file(`blobs/sha256/${digest}`, content);
    return { mediaType, digest: `sha256:${digest}`, size: content.length };
  };
  const manifests = images.map((image) => {
    const content = tarArchive(image.tree);
    const layer = blob('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(content, { level: 9 }));
    const config = blob('application/vnd.oci.image.config.v1+json', Buffer.from(JSON.stringify({
      created: '1970-01-01T00:00:00Z',
      architecture: 'amd64',
      os: 'linux',
      config: { Entrypoint: image.entrypoint, Cmd: image.command, Env: image.environment, WorkingDir: '/' },
      rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(content).digest('hex')}`] },
    })));
    const manifest = blob('application/vnd.oci.image.manifest.v1+json', Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config, layers: [layer] })));
    const tag = image.name.slice(image.name.lastIndexOf(':') + 1);
    return { ...manifest, platform: { architecture: 'amd64', os: 'linux' }, annotations: { 'io.containerd.image.name': image.name, 'org.opencontainers.image.ref.name': tag } };
  });
  layout.file('index.json', JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests }));
  return tarArchive(layout);
}
