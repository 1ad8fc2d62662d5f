import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfExists } from '../../file.ts';
import type { Credentials, Registry } from './registry.ts';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Pushes every image of an OCI layout folder to the repository, under the tags that its index names. Returns tags and digests. */
export async function pushLayout(layout: string, registry: Registry, repository: string, onBlob: (bytes: number, sent: boolean) => void = () => {}): Promise<readonly { readonly tag: string; readonly digest: string }[]> {
  const blob = (digest: string) => readFile(join(layout, 'blobs', digest.replace(':', '/')));
  const { manifests } = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as { readonly manifests: readonly Descriptor[] };
  const pushed: { readonly tag: string; readonly digest: string }[] = [];
  for (const { digest, mediaType, annotations } of manifests) {
    const content = await blob(digest);
    const { config, layers } = JSON.parse(content.toString('utf8')) as { readonly config: Descriptor; readonly layers: readonly Descriptor[] };
    for (const part of [...layers, config]) onBlob(part.size, await registry.putBlob(repository, part.digest, () => blob(part.digest)));
    const tag = annotations?.['org.opencontainers.image.ref.name'] ?? digest;
    await registry.putManifest(repository, tag, { type: mediaType, content, digest });
    pushed.push({ tag, digest });
  }
  return pushed;
}

/** Name and password for a registry from a file as `docker login` writes it; undefined where it has none. */
export async function readCredentials(file: string, host: string): Promise<Credentials | undefined> {
  const text = await readIfExists(file);
  if (text === undefined) return undefined;
  const { auths = {} } = JSON.parse(text) as { readonly auths?: Readonly<Record<string, { readonly auth?: string }>> };
  const encoded = (auths[host] ?? auths[`https://${host}`])?.auth;
  if (encoded === undefined) return undefined;
  const [user = '', ...password] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  return { user, password: password.join(':') };
}
