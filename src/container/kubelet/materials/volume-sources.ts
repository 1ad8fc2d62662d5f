/** core/v1's volume sources that this node can make. */
export interface KeyToPath {
  readonly key: string;
  readonly path: string;
  readonly mode?: number;
}

export interface ConfigMapSource {
  readonly name?: string;
  readonly items?: readonly KeyToPath[];
  readonly defaultMode?: number;
  readonly optional?: boolean;
}

export interface SecretSource extends Omit<ConfigMapSource, 'name'> {
  readonly secretName?: string;
  /** In a projected volume. */
  readonly name?: string;
}

export interface DownwardFile {
  readonly path: string;
  readonly fieldRef?: { readonly fieldPath: string };
  readonly resourceFieldRef?: { readonly containerName?: string; readonly resource: string; readonly divisor?: string };
  readonly mode?: number;
}

export interface DownwardSource {
  readonly items?: readonly DownwardFile[];
  readonly defaultMode?: number;
}

export interface TokenSource {
  readonly audience?: string;
  readonly expirationSeconds?: number;
  readonly path: string;
}

export interface ProjectedSource {
  readonly defaultMode?: number;
  readonly sources?: readonly { readonly configMap?: ConfigMapSource; readonly secret?: SecretSource; readonly downwardAPI?: DownwardSource; readonly serviceAccountToken?: TokenSource }[];
}

export interface EmptyDirSource {
  readonly medium?: string;
  readonly sizeLimit?: string;
}

export type VolumeSource =
  | { readonly kind: 'emptyDir'; readonly source: EmptyDirSource }
  | { readonly kind: 'configMap'; readonly source: ConfigMapSource }
  | { readonly kind: 'secret'; readonly source: SecretSource }
  | { readonly kind: 'downwardAPI'; readonly source: DownwardSource }
  | { readonly kind: 'projected'; readonly source: ProjectedSource };

export const SUPPORTED: ReadonlySet<string> = new Set(['emptyDir', 'configMap', 'secret', 'downwardAPI', 'projected']);

/** The one source of a volume; refusals see to it that it is a supported one. */
export function sourceOf(volume: { readonly name: string; readonly [source: string]: unknown }): VolumeSource {
  const found = Object.entries(volume).find(([key, value]) => key !== 'name' && value !== undefined);
  if (found === undefined) return { kind: 'emptyDir', source: {} };
  return { kind: found[0], source: found[1] } as VolumeSource;
}
