import { amountOf, millicpuOf } from '../../../base/quantity.ts';
import type { ContainerSpec } from '../pod.ts';
import type { NodeSettings } from '../port.ts';
import { KubeletError } from '../port.ts';

/**
 * The value of a resourceFieldRef: in units of the divisor, rounded up. A limit that is not set is what the node has.
 * https://kubernetes.io/docs/concepts/workloads/pods/downward-api/#downwardapi-resourceFieldRef
 */
export function resourceField(container: ContainerSpec, resource: string, divisor: string | undefined, allocatable: NodeSettings['allocatable']): string {
  const [kind, name] = split(resource);
  const { limits = {}, requests = {} } = container.resources ?? {};
  const unit = divisor === undefined || divisor === '0' ? '1' : divisor;
  const fallback: Readonly<Record<string, string>> = { cpu: `${allocatable.millicpu}m`, memory: String(allocatable.memoryBytes), 'ephemeral-storage': '0' };
  const value = kind === 'limits' ? limits[name] ?? fallback[name] ?? '0' : requests[name] ?? '0';
  if (name === 'cpu') return String(Math.ceil(millicpuOf(value) / (amountOf(unit) * 1000)));
  return String(Math.ceil(amountOf(value) / amountOf(unit)));
}

function split(resource: string): readonly [string, string] {
  const dot = resource.indexOf('.');
  const kind = resource.slice(0, dot);
  if (kind !== 'limits' && kind !== 'requests') throw new KubeletError('CreateContainerConfigError', `unsupported container resource : ${resource}`);
  return [kind, resource.slice(dot + 1)];
}
