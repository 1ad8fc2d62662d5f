import type { RegistryAuth } from '../../cri.ts';
import type { SecretData } from '../port.ts';
import { imageNameOf, type ImageName } from './image-name.ts';

interface Entry {
  readonly pattern: string;
  readonly auth: RegistryAuth;
}

interface DockerEntry {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly identitytoken?: string;
}

/**
 * Credentials for an image out of pull secrets, the most specific first.
 * https://kubernetes.io/docs/concepts/containers/images/#config-json
 */
export function credentialsFor(image: string, secrets: readonly SecretData[]): readonly RegistryAuth[] {
  const name = imageNameOf(image);
  if (name === undefined) return [];
  const matching = secrets.flatMap(entriesOf).filter(({ pattern }) => matches(pattern, name));
  return matching.sort((a, b) => (a.pattern < b.pattern ? 1 : -1)).map(({ auth }) => auth);
}

function entriesOf({ type, data }: SecretData): readonly Entry[] {
  const text = type === 'kubernetes.io/dockerconfigjson' ? data['.dockerconfigjson'] : type === 'kubernetes.io/dockercfg' ? data['.dockercfg'] : undefined;
  if (text === undefined) return [];
  try {
    const parsed = JSON.parse(text.toString('utf8')) as { readonly auths?: Readonly<Record<string, DockerEntry>> };
    const entries = type === 'kubernetes.io/dockerconfigjson' ? parsed.auths ?? {} : parsed as Readonly<Record<string, DockerEntry>>;
    return Object.entries(entries).map(([pattern, entry]) => ({ pattern: pattern.replace(/^https?:\/\//, '').replace(/^index\.docker\.io(\/v1\/?)?$/, 'docker.io').replace(/\/(v1|v2)?\/?$/, ''), auth: authOf(entry, pattern) }));
  } catch {
    // A Secret that holds no JSON gives no credentials; the registry then says what it thinks of that.
    return [];
  }
}

function authOf({ username, password, auth, identitytoken }: DockerEntry, serverAddress: string): RegistryAuth {
  const [user, secret] = auth === undefined ? [username, password] : split(Buffer.from(auth, 'base64').toString('utf8'));
  return {
    serverAddress,
    ...(user === undefined ? {} : { username: user }),
    ...(secret === undefined ? {} : { password: secret }),
    ...(identitytoken === undefined ? {} : { identityToken: identitytoken }),
  };
}

function split(text: string): readonly [string, string] {
  const colon = text.indexOf(':');
  return [text.slice(0, colon), text.slice(colon + 1)];
}

/** Each part of a host name may be a pattern with stars; the port is the same and the path a beginning of the image's. */
function matches(pattern: string, { registry, repository }: ImageName): boolean {
  const slash = pattern.indexOf('/');
  const [host, path] = slash < 0 ? [pattern, ''] : [pattern.slice(0, slash), pattern.slice(slash + 1)];
  const [wantedName = '', wantedPort = ''] = host.split(':');
  const [name = '', port = ''] = registry.split(':');
  const [wanted, parts] = [wantedName.split('.'), name.split('.')];
  return wantedPort === port && wanted.length === parts.length && wanted.every((part, index) => glob(part, parts[index] ?? ''))
    && (path === '' || repository === path || repository.startsWith(`${path}/`) || repository.startsWith(path));
}

function glob(pattern: string, text: string): boolean {
  return new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`).test(text);
}
