import { stat } from 'node:fs/promises';
import { isMap, isSeq, parseDocument, type Document, type YAMLMap } from 'yaml';
import { LocalError } from './errors.ts';
import { readIfExists, writeFileAtomically } from './file.ts';
import type { KubeconfigEntries } from './kubeconfig.ts';
import { withLock } from './lock.ts';

const lists = { clusters: 'cluster', users: 'user', contexts: 'context' } as const;

/** Adds or replaces our three entries in a kubeconfig's text and makes them current. What is not ours stays, comments too. */
export function mergeKubeconfig(text: string, entries: KubeconfigEntries): string {
  const document = parse(text);
  for (const [list, kind] of Object.entries(lists) as readonly ['clusters' | 'users' | 'contexts', 'cluster' | 'user' | 'context'][]) {
    const entry = document.createNode(entries[kind]);
    const sequence = document.get(list);
    if (!isSeq(sequence)) {
      document.set(list, document.createNode([entry]));
      continue;
    }
    const index = sequence.items.findIndex((item) => isMap(item) && item.get('name') === entries[kind].name);
    if (index === -1) sequence.add(entry);
    else sequence.items[index] = entry;
    sequence.flow = false;
  }
  document.set('current-context', entries.context.name);
  return document.toString({ lineWidth: 0 });
}

/** Takes the entries of this name out again; the current context is emptied when it was ours. */
export function removeFromKubeconfig(text: string, name: string): string {
  const document = parse(text);
  for (const list of Object.keys(lists)) {
    const sequence = document.get(list);
    if (isSeq(sequence)) sequence.items = sequence.items.filter((item) => !(isMap(item) && item.get('name') === name));
  }
  if (document.get('current-context') === name) document.set('current-context', '');
  return document.toString({ lineWidth: 0 });
}

/** The same on a file. Writers of ours exclude each other, and readers never see half a file. */
export async function mergeKubeconfigFile(path: string, entries: KubeconfigEntries): Promise<void> {
  await edit(path, (text) => mergeKubeconfig(text, entries));
}

/** No error when the file does not exist. */
export async function removeFromKubeconfigFile(path: string, name: string): Promise<void> {
  if ((await readIfExists(path)) !== undefined) await edit(path, (text) => removeFromKubeconfig(text, name));
}

async function edit(path: string, change: (text: string) => string): Promise<void> {
  await withLock(`${path}.yado-lock`, async () => {
    const before = await readIfExists(path);
    const mode = before === undefined ? 0o600 : (await stat(path)).mode & 0o777;
    const after = change(before ?? '');
    if (after !== before) await writeFileAtomically(path, after, mode);
  });
}

function parse(text: string): Document<YAMLMap> {
  const document = parseDocument(text.trim() === '' ? 'apiVersion: v1\nkind: Config\n' : text);
  if (document.errors.length > 0 || !isMap(document.contents)) {
    throw new LocalError('BadKubeconfig', `The kubeconfig cannot be read as YAML (${document.errors[0]?.message ?? 'it is no mapping'}); mend it or name another file with --kubeconfig.`);
  }
  return document as Document<YAMLMap>;
}
