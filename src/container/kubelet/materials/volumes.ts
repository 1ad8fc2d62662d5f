import { errnoOf } from '../../../base/errors.ts';
import type { CriMount } from '../../cri.ts';
import type { ContainerSpec, PodManifest, VolumeMountSpec } from '../pod.ts';
import { KubeletError, type KubeletContext } from '../port.ts';
import { expand, lookupIn } from './expand.ts';
import { subPathFolder, volumeFolder } from '../pod-paths.ts';
import { memoryVolumeBytes } from './memory-volume.ts';
import type { Environment } from './port.ts';
import { Tokens } from './tokens.ts';
import { contentOf } from './volume-content.ts';
import { sourceOf } from './volume-sources.ts';

const OPEN_TO_ALL = 0o777;
/** Of what is in memory. */
const STICKY = 0o1777;

/** Volumes of pods, as folders where the container runtime finds them. */
export class Volumes {
  readonly #context: KubeletContext;
  readonly #tokens: Tokens;

  constructor(context: KubeletContext) {
    this.#context = context;
    this.#tokens = new Tokens(context);
  }

  /** Makes and fills what is missing, and brings what comes from the API up to date. */
  async ensure(pod: PodManifest, signal: AbortSignal): Promise<void> {
    const { files, settings } = this.#context;
    const uid = pod.metadata.uid ?? '';
    const owner = ownerOf(pod);
    for (const volume of pod.spec.volumes ?? []) {
      const source = sourceOf(volume);
      const folder = volumeFolder(uid, volume.name);
      if (source.kind === 'emptyDir') {
        const { medium, sizeLimit } = source.source;
        const memory = medium === 'Memory' ? { memory: { sizeBytes: memoryVolumeBytes(pod, sizeLimit, settings.allocatable.memoryBytes) } } : {};
        await files.makeFolder(folder, { mode: medium === 'Memory' ? STICKY : OPEN_TO_ALL, ...owner, ...memory }, signal);
      } else {
        const isPublic = source.kind === 'configMap';
        await files.makeFolder(folder, { mode: isPublic ? OPEN_TO_ALL : STICKY, ...owner, ...(isPublic ? {} : { memory: {} }) }, signal);
        const content = await contentOf(volume.name, source, { context: this.#context, tokens: this.#tokens, pod, signal });
        await files.writeVolume(folder, content, owner, signal);
      }
    }
  }

  async mountsOf(pod: PodManifest, container: ContainerSpec, environment: Environment, signal: AbortSignal): Promise<readonly CriMount[]> {
    const mounts: CriMount[] = [];
    for (const mount of container.volumeMounts ?? []) mounts.push(await this.#mount(pod, container, mount, environment, signal));
    return mounts;
  }

  forget(podUid: string): void {
    this.#tokens.forget(podUid);
  }

  async #mount(pod: PodManifest, container: ContainerSpec, mount: VolumeMountSpec, environment: Environment, signal: AbortSignal): Promise<CriMount> {
    const { files } = this.#context;
    const uid = pod.metadata.uid ?? '';
    const volume = pod.spec.volumes?.find(({ name }) => name === mount.name);
    if (volume === undefined) throw new KubeletError('CreateContainerConfigError', `cannot find volume ${JSON.stringify(mount.name)} to mount into container`);
    const { kind } = sourceOf(volume);
    const sub = subPathOf(mount, environment);
    const folder = sub === '' ? volumeFolder(uid, mount.name) : subPathFolder(uid, mount.name, sub);
    if (sub !== '') await this.#ensureSubPath(pod, container, mount, sub, signal);
    return {
      containerPath: mount.mountPath,
      hostPath: `${files.root}/${folder}`,
      // What comes from the API is never written to from a container.
      readonly: mount.readOnly === true || kind !== 'emptyDir',
      ...(mount.mountPropagation === 'HostToContainer' ? { propagation: 'HOST_TO_CONTAINER' } : {}),
    };
  }

  /** What is not there is made, each folder on the way as open as the volume. */
  async #ensureSubPath(pod: PodManifest, container: ContainerSpec, { name }: VolumeMountSpec, sub: string, signal: AbortSignal): Promise<void> {
    const { files } = this.#context;
    const uid = pod.metadata.uid ?? '';
    const parts = sub.split('/');
    for (const [index] of parts.entries()) {
      const folder = subPathFolder(uid, name, parts.slice(0, index + 1).join('/'));
      try {
        if ((await files.stat(folder, signal)) === undefined) await files.makeFolder(folder, { mode: OPEN_TO_ALL, ...ownerOf(pod) }, signal);
      } catch (error) {
        // Where a link leads out of the volume; a kubelet makes folders behind it before it looks at where it is.
        if (errnoOf(error) !== 'LinkRefused') throw error;
        const failed = index === parts.length - 1 ? 'prepare subPath' : 'create subPath directory';
        throw new KubeletError('CreateContainerConfigError', `failed to ${failed} for volumeMount ${JSON.stringify(name)} of container ${JSON.stringify(container.name)}`, { cause: error });
      }
    }
  }
}

function ownerOf({ spec }: PodManifest): { readonly group?: number } {
  const group = spec.securityContext?.fsGroup;
  return group === undefined ? {} : { group };
}

function subPathOf({ subPath, subPathExpr }: VolumeMountSpec, environment: Environment): string {
  const lookup = lookupIn(environment);
  const path = subPathExpr === undefined ? subPath ?? '' : expand(subPathExpr, (name) => {
    const value = lookup(name);
    if (value === undefined) throw new KubeletError('CreateContainerConfigError', `missing value for ${name}`);
    return value;
  });
  if (path.startsWith('/')) throw new KubeletError('CreateContainerConfigError', `subPath ${JSON.stringify(path)} must not be an absolute path`);
  if (path.split('/').includes('..')) throw new KubeletError('CreateContainerConfigError', `subPath ${JSON.stringify(path)} must not contain '..'`);
  return path.split('/').filter((part) => part !== '' && part !== '.').join('/');
}
