import type { PodManifest } from '../pod.ts';
import { KubeletError, type NodeSettings } from '../port.ts';

/** What a fieldRef can name, beside metadata. */
export interface FieldSources {
  readonly settings: NodeSettings;
  /** Undefined while the pod has none. */
  readonly address?: string;
}

/** The value of a fieldRef. https://kubernetes.io/docs/concepts/workloads/pods/downward-api/#downwardapi-fieldRef */
export function fieldOf(pod: PodManifest, path: string, { settings, address }: FieldSources): string {
  const { metadata, spec } = pod;
  const subscript = /^metadata\.(annotations|labels)\['(.*)'\]$/.exec(path);
  if (subscript !== null) return metadata[subscript[1] as 'labels' | 'annotations']?.[subscript[2] ?? ''] ?? '';
  switch (path) {
    case 'metadata.name':
      return metadata.name;
    case 'metadata.namespace':
      return metadata.namespace ?? 'default';
    case 'metadata.uid':
      return metadata.uid ?? '';
    case 'metadata.labels':
      return mapText(metadata.labels);
    case 'metadata.annotations':
      return mapText(metadata.annotations);
    case 'spec.nodeName':
      return spec.nodeName ?? settings.node;
    case 'spec.serviceAccountName':
      return spec.serviceAccountName ?? 'default';
    case 'status.hostIP':
    case 'status.hostIPs':
      return settings.hostAddress;
    case 'status.podIP':
    case 'status.podIPs':
      return address ?? '';
    default:
      throw new KubeletError('CreateContainerConfigError', `field label not supported: ${path}`);
  }
}

/** One `key="value"` a line, by the keys' order, quoted as Go does. */
function mapText(map: Readonly<Record<string, string>> = {}): string {
  return Object.keys(map).sort().map((key) => `${key}=${JSON.stringify(map[key])}`).join('\n');
}
