import type { KubeObject } from '../../kube/object.ts';

/** The Node that a machine with containerHost is. */
export function virtualNodeName(vm: KubeObject): string {
  return `${vm.metadata.name}.${vm.metadata.namespace ?? 'default'}`;
}
