/** An image reference in its parts, with Docker's defaults filled in. */
export interface ImageName {
  readonly registry: string;
  readonly repository: string;
  /** Empty where there is only a digest. */
  readonly tag: string;
  readonly digest: string;
}

const DEFAULT_REGISTRY = 'docker.io';
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/;
const REGISTRY = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;

/** https://github.com/distribution/reference; undefined for what is no reference. */
export function imageNameOf(text: string): ImageName | undefined {
  const at = text.indexOf('@');
  const digest = at < 0 ? '' : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const path = hasTag ? named.slice(0, colon) : named;
  const tag = hasTag ? named.slice(colon + 1) : digest === '' ? 'latest' : '';
  const { registry, path: rest } = partsOf(path);
  const repository = registry === DEFAULT_REGISTRY && !rest.includes('/') ? `library/${rest}` : rest;
  if (!REPOSITORY.test(repository) || !REGISTRY.test(registry) || ((hasTag || tag !== '') && !TAG.test(tag)) || (at >= 0 && !DIGEST.test(digest))) return undefined;
  return { registry, repository, tag, digest };
}

/** What is wrong with a text that is no reference. */
export function faultOf(text: string): string {
  const { registry, path } = partsOf(text);
  const remote = path.split(':')[0] ?? '';
  const repository = registry === DEFAULT_REGISTRY && !remote.includes('/') ? `library/${remote}` : remote;
  return `invalid reference format${repository === repository.toLowerCase() ? '' : `: repository name (${repository}) must be lowercase`}`;
}

/** Without a dot, a port or localhost the first part is a folder of the default registry. */
function partsOf(path: string): { readonly registry: string; readonly path: string } {
  const slash = path.indexOf('/');
  const first = slash < 0 ? '' : path.slice(0, slash);
  const isRegistry = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  return isRegistry ? { registry: first, path: path.slice(slash + 1) } : { registry: DEFAULT_REGISTRY, path };
}
