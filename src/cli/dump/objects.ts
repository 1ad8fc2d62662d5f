import { stringify } from 'yaml';
import { messageOf } from '../../base/errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { redact } from './redaction.ts';

/** One file of a dump: its path in it, and its text or why there is none. */
export interface DumpFile {
  readonly path: string;
  readonly text: string;
}

/** Groups of which everything is taken. */
const wholeGroups = ['yadokari.dev', 'crd.projectcalico.org', 'storage.k8s.io', 'discovery.k8s.io', 'networking.k8s.io', 'coordination.k8s.io', 'admissionregistration.k8s.io'];
/** Secrets are not among them, nor ConfigMaps, which people misuse for them. */
const coreResources = new Set(['pods', 'nodes', 'events', 'services', 'namespaces', 'persistentvolumes', 'persistentvolumeclaims']);

interface ResourceList {
  readonly groupVersion: string;
  readonly resources?: readonly { readonly name: string; readonly kind: string; readonly verbs: readonly string[] }[];
}

/** Every object that matters, one file a resource, as YAML without secrets. What cannot be read says why. */
export async function objectFiles(client: KubeClient, signal: AbortSignal): Promise<readonly DumpFile[]> {
  const get = async (path: string): Promise<unknown> => JSON.parse(await client.raw({ method: 'GET', path, signal }));
  const groups = (await get('/apis') as { readonly groups: readonly { readonly name: string; readonly preferredVersion: { readonly groupVersion: string } }[] }).groups;
  const paths = ['/api/v1', ...groups.filter(({ name }) => wholeGroups.includes(name)).map(({ preferredVersion }) => `/apis/${preferredVersion.groupVersion}`)];
  const lists = await Promise.all(paths.map(async (path) => ({ path, list: await get(path) as ResourceList })));
  const wanted = lists.flatMap(({ path, list }) => (list.resources ?? [])
    .filter(({ name, verbs }) => !name.includes('/') && verbs.includes('list') && isWanted(path, name))
    .map(({ name, kind }) => ({ path: `${path}/${name}`, kind, apiVersion: list.groupVersion, file: path === '/api/v1' ? name : `${name}.${list.groupVersion.split('/')[0]}` })));
  const files = await Promise.all(wanted.map(async ({ path, kind, apiVersion, file }) => {
    const text = await get(path).then((list) => {
      const { items } = list as { readonly items: readonly object[] };
      // Items of a list come without their kind.
      return items.map((item) => stringify(redact({ apiVersion, kind, ...item }), { lineWidth: 0 })).join('---\n');
    }, (error: unknown) => `# could not be read: ${messageOf(error)}\n`);
    return { path: `objects/${file}.yaml`, text };
  }));
  return files.filter(({ text }) => text !== '');
}

function isWanted(path: string, name: string): boolean {
  return path !== '/api/v1' || coreResources.has(name);
}
