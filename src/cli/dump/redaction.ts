/** Fields whose text is a secret, or may hold one, wherever they are. */
const secretFields = new Set(['userData', 'networkData', 'vendorData', 'stringData', 'caBundle', 'password', 'token']);
/** Copies of whole objects, secrets of theirs included. */
const secretAnnotations = new Set(['kubectl.kubernetes.io/last-applied-configuration', 'yadokari.dev/guest']);
const secretNames = /pass|secret|token|credential|private|api_?key/i;

/** What stands in a dump for text that is left out; its length often tells enough. */
export function leftOut(value: unknown): string {
  return `(left out: ${typeof value === 'string' ? value.length : JSON.stringify(value).length} characters)`;
}

/** A copy of an object without what may be secret, and without managedFields, which only cost room. Kinds named Secret lose their data. */
export function redact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redact);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).flatMap(([key, inner]): [string, unknown][] => {
    if (key === 'managedFields') return [];
    if (secretAnnotations.has(key) || (secretFields.has(key) && typeof inner === 'string')) return [[key, leftOut(inner)]];
    if (key === 'data' && 'kind' in value && value.kind === 'Secret') return [[key, leftOut(inner)]];
    return [[key, redact(inner)]];
  });
  const copy: Record<string, unknown> = Object.fromEntries(entries);
  // The variables of containers.
  if (typeof copy['name'] === 'string' && typeof copy['value'] === 'string' && secretNames.test(copy['name'])) copy['value'] = leftOut(copy['value']);
  return copy;
}
