import { messageOf } from '../../../base/errors.ts';
import type { VolumeFile } from '../../pod-files.ts';
import type { PodManifest } from '../pod.ts';
import { KubeletError, type ConfigMapData, type KubeletContext } from '../port.ts';
import { fieldOf } from './fields.ts';
import { resourceField } from './resources.ts';
import type { Tokens } from './tokens.ts';
import type { ConfigMapSource, DownwardSource, KeyToPath, ProjectedSource, SecretSource, VolumeSource } from './volume-sources.ts';

const DEFAULT_MODE = 0o644;
const TOKEN_SECONDS = 3600;
const TOKEN_MODE = 0o600;

export interface ContentOptions {
  readonly context: KubeletContext;
  readonly tokens: Tokens;
  readonly pod: PodManifest;
  readonly signal: AbortSignal;
}

/** The files of a volume that comes from the API. Rejects with code FailedMount. */
export async function contentOf(volume: string, { kind, source }: Exclude<VolumeSource, { kind: 'emptyDir' }>, options: ContentOptions): Promise<readonly VolumeFile[]> {
  switch (kind) {
    case 'configMap':
      return configMapFiles(volume, source, source.defaultMode, options);
    case 'secret':
      return secretFiles(volume, source.secretName ?? '', source, source.defaultMode, options);
    case 'downwardAPI':
      return downwardFiles(source, source.defaultMode, options);
    case 'projected':
      return projectedFiles(volume, source, options);
  }
}

async function projectedFiles(volume: string, { sources = [], defaultMode }: ProjectedSource, options: ContentOptions): Promise<readonly VolumeFile[]> {
  const files: VolumeFile[] = [];
  for (const { configMap, secret, downwardAPI, serviceAccountToken } of sources) {
    if (configMap !== undefined) files.push(...await configMapFiles(volume, configMap, defaultMode, options));
    if (secret !== undefined) files.push(...await secretFiles(volume, secret.name ?? '', secret, defaultMode, options));
    if (downwardAPI !== undefined) files.push(...downwardFiles(downwardAPI, defaultMode, options));
    if (serviceAccountToken !== undefined) {
      const { path, audience, expirationSeconds = TOKEN_SECONDS } = serviceAccountToken;
      const wish = { path, audiences: audience === undefined || audience === '' ? [] : [audience], expirationSeconds };
      const token = await options.tokens.get(options.pod, volume, wish, options.signal).catch((error: unknown) => {
        options.signal.throwIfAborted();
        throw new KubeletError('FailedMount', `MountVolume.SetUp failed for volume ${JSON.stringify(volume)} : failed to fetch token: ${messageOf(error)}`, { cause: error });
      });
      files.push({ path, ...tokenAccess(options.pod, defaultMode), content: Buffer.from(token) });
    }
  }
  return files;
}

/** The only user of the pod's containers, where there is just one, owns the token; where there are more it is as readable as other volumes are. */
function tokenAccess({ spec }: PodManifest, defaultMode = DEFAULT_MODE): Pick<VolumeFile, 'mode' | 'owner'> {
  const { fsGroup, runAsUser } = spec.securityContext ?? {};
  const containers = [...spec.containers, ...spec.initContainers ?? [], ...spec.ephemeralContainers ?? []];
  const [user, ...others] = new Set(containers.map((container) => container.securityContext?.runAsUser ?? runAsUser));
  if (user !== undefined && others.length === 0) return { mode: TOKEN_MODE, owner: user };
  return { mode: fsGroup === undefined ? defaultMode : TOKEN_MODE };
}

async function configMapFiles(volume: string, source: ConfigMapSource, defaultMode: number | undefined, { context, pod, signal }: ContentOptions): Promise<readonly VolumeFile[]> {
  const { name = '', items, optional = false } = source;
  const found = await context.references.configMap(pod.metadata.namespace ?? 'default', name, signal);
  return keyFiles(volume, { kind: 'configmap', name, items, optional, found, defaultMode });
}

async function secretFiles(volume: string, name: string, { items, optional = false }: SecretSource, defaultMode: number | undefined, { context, pod, signal }: ContentOptions): Promise<readonly VolumeFile[]> {
  const found = await context.references.secret(pod.metadata.namespace ?? 'default', name, signal);
  return keyFiles(volume, { kind: 'secret', name, items, optional, found, defaultMode });
}

interface KeyedSource {
  readonly kind: string;
  readonly name: string;
  readonly items: readonly KeyToPath[] | undefined;
  readonly optional: boolean;
  readonly found: ConfigMapData | undefined;
  readonly defaultMode: number | undefined;
}

function keyFiles(volume: string, { kind, name, items, optional, found, defaultMode = DEFAULT_MODE }: KeyedSource): readonly VolumeFile[] {
  if (found === undefined && !optional) throw new KubeletError('FailedMount', `MountVolume.SetUp failed for volume ${JSON.stringify(volume)} : ${kind} ${JSON.stringify(name)} not found`);
  const data = found?.data ?? {};
  if (items === undefined || items.length === 0) return Object.entries(data).map(([path, content]) => ({ path, mode: defaultMode, content }));
  return items.flatMap(({ key, path, mode = defaultMode }) => {
    const content = data[key];
    if (content !== undefined) return [{ path, mode, content }];
    if (optional) return [];
    throw new KubeletError('FailedMount', `MountVolume.SetUp failed for volume ${JSON.stringify(volume)} : ${kind === 'secret' ? 'references non-existent secret' : 'configmap references non-existent config'} key: ${key}`);
  });
}

function downwardFiles({ items = [] }: DownwardSource, defaultMode = DEFAULT_MODE, { context, pod }: ContentOptions): readonly VolumeFile[] {
  return items.map(({ path, fieldRef, resourceFieldRef, mode = defaultMode }) => {
    if (fieldRef !== undefined) return { path, mode, content: Buffer.from(fieldOf(pod, fieldRef.fieldPath, { settings: context.settings })) };
    const container = [...pod.spec.containers, ...pod.spec.initContainers ?? []].find(({ name }) => name === resourceFieldRef?.containerName);
    if (container === undefined || resourceFieldRef === undefined) throw new KubeletError('FailedMount', `downwardAPI file ${path} names no container of the pod`);
    return { path, mode, content: Buffer.from(resourceField(container, resourceFieldRef.resource, resourceFieldRef.divisor, context.settings.allocatable)) };
  });
}
