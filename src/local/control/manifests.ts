import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { messageOf } from '../../base/errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { defineResource, type Resource } from '../../kube/object.ts';
import { LocalError } from '../errors.ts';
import { readIfExists, writeFileAtomically } from '../file.ts';
import type { NetworkPlan } from '../network-plan.ts';
import type { Manifest } from './system-objects.ts';

/** Names in manifests that are filled in, written `${NAME}`. */
export function placeholders(plan: NetworkPlan): Readonly<Record<string, string>> {
  return { POD_CIDR: plan.podPool, SERVICE_CIDR: plan.serviceCidr, HOST_ADDRESS: plan.gateway, NODE_CIDR: plan.subnet, DNS_ADDRESS: plan.dnsAddress };
}

/** Reads all YAML of files and folders (not below them). Throws LocalError naming the file that cannot be read. */
export async function readManifests(paths: readonly string[], values: Readonly<Record<string, string>>): Promise<readonly Manifest[]> {
  const files = (await Promise.all(paths.map(yamlFiles))).flat();
  const manifests = await Promise.all(files.map(async (file) => parseManifests(file, await readFile(file, 'utf8'), values)));
  return manifests.flat();
}

async function yamlFiles(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return [];
  if (!found.isDirectory()) return [path];
  return (await readdir(path)).filter((name) => /\.ya?ml$/.test(name)).sort().map((name) => join(path, name));
}

export function parseManifests(file: string, text: string, values: Readonly<Record<string, string>>): readonly Manifest[] {
  const filled = text.replaceAll(/\$\{([A-Z_]+)\}/g, (whole, name: string) => values[name] ?? whole);
  const documents = parseAllDocuments(filled);
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((document) => {
    if (document.errors.length > 0) throw new LocalError('BadManifest', `${file}: ${document.errors[0]?.message}`);
    const value = document.toJS() as Manifest | null;
    return value === null ? [] : [value];
  });
}

export interface ApplyAllOptions {
  readonly signal: AbortSignal;
  /** File that remembers what was applied; the same again is skipped. */
  readonly memory: string;
  /** How long kinds may be unknown and admission may fail, with nothing else being applied meanwhile. Default 30 000. */
  readonly patienceMs?: number;
}

/** Server-side applies everything, definitions first, repeating what the server does not accept yet. */
export async function applyAll(client: KubeClient, manifests: readonly Manifest[], options: ApplyAllOptions): Promise<'applied' | 'unchanged'> {
  const hash = createHash('sha256').update(JSON.stringify(manifests)).digest('hex');
  if ((await readIfExists(options.memory)) === hash) return 'unchanged';
  const server = new Discovery(client);
  const patience: Patience = { lastMs: Date.now(), patienceMs: options.patienceMs ?? 30_000 };
  const first = new Set(['Namespace', 'CustomResourceDefinition']);
  for (const group of [manifests.filter(({ kind }) => first.has(kind)), manifests.filter(({ kind }) => !first.has(kind))]) {
    await forEachOf(8, group, (manifest) => applyPatiently(client, server, manifest, patience, options.signal));
  }
  await writeFileAtomically(options.memory, hash);
  return 'applied';
}

/** When something was applied last, and how long nothing may be. */
interface Patience {
  lastMs: number;
  readonly patienceMs: number;
}

async function applyPatiently(client: KubeClient, server: Discovery, manifest: Manifest, patience: Patience, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      const { apiVersion: _version, kind: _kind, ...object } = manifest;
      await client.apply(await server.resource(manifest, signal), object, { fieldManager: 'yadokari-install', signal });
      patience.lastMs = Date.now();
      return;
    } catch (error) {
      if (signal.aborted || Date.now() > patience.lastMs + patience.patienceMs) {
        throw new LocalError('ManifestRefused', `${manifest.kind} ${manifest.metadata.name} could not be applied: ${messageOf(error)}`, { cause: error });
      }
      await delay(50, undefined, { signal });
    }
  }
}

async function forEachOf<T>(width: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  await Promise.all(Array.from({ length: width }, async () => {
    for (const item of queue) await work(item);
  }));
}

interface ResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

/** Where kinds live, asked of the server and remembered. */
class Discovery {
  readonly #client: KubeClient;
  readonly #known = new Map<string, Resource>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  async resource({ apiVersion, kind }: Manifest, signal: AbortSignal): Promise<Resource> {
    const key = `${apiVersion} ${kind}`;
    if (!this.#known.has(key)) {
      const path = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
      const list = JSON.parse(await this.#client.raw({ method: 'GET', path, signal })) as ResourceList;
      for (const found of list.resources.filter(({ name }) => !name.includes('/'))) {
        this.#known.set(`${apiVersion} ${found.kind}`, defineResource(apiVersion, found.kind, found.name, found.namespaced));
      }
    }
    const resource = this.#known.get(key);
    if (resource === undefined) throw new LocalError('UnknownKind', `The API server knows no ${kind} in ${apiVersion}.`, { disposition: 'wait' });
    return resource;
  }
}
