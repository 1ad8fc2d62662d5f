import { createHash } from 'node:crypto';
import type { PodPlacement } from '../../api/pod.ts';
import { API_VERSION } from '../../api/group.ts';
import { bytesOf, millicpuOf } from '../../base/quantity.ts';
import type { Container } from '../../kube/core.ts';
import type { VirtualMachine, YadoPod } from '../../kube/yadokari.ts';

type IsolatedPlacement = NonNullable<PodPlacement['isolated']>;

/** What the guest's own system takes, beside the pod. */
const SYSTEM_MIB = 256;
/** For containers that say nothing of their needs. */
const CONTAINER_MIB = 128;
const LONGEST_NAME = 57;
const DEFAULT_IMAGE = 'container-host';

/** The machine that is made for one pod alone. */
export function isolatedMachineName({ metadata: { name } }: YadoPod): string {
  const full = `${name}-vm`;
  return full.length <= LONGEST_NAME ? full : `${name.slice(0, LONGEST_NAME - 12)}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}-vm`;
}

/** A machine just large enough for the pod, which goes with it. */
export function isolatedMachine(pod: YadoPod, { instanceType, image = DEFAULT_IMAGE, preload }: IsolatedPlacement): VirtualMachine {
  const { metadata, spec } = pod;
  const disks = [
    ...(preload === undefined ? [] : [{ name: 'images', image: preload, readOnly: true, ephemeral: true }]),
    { name: 'containers', blank: {}, size: '8Gi', ephemeral: true },
  ];
  return {
    apiVersion: API_VERSION,
    kind: 'VirtualMachine',
    metadata: {
      name: isolatedMachineName(pod),
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      ownerReferences: [{ apiVersion: API_VERSION, kind: 'Pod', name: metadata.name, uid: metadata.uid ?? '', controller: true, blockOwnerDeletion: true }],
    },
    spec: {
      runStrategy: 'Always',
      ...(instanceType === undefined ? sizeFor(spec.containers) : { instanceType }),
      kernelBoot: { image },
      containerHost: { maxPods: 1 },
      disks,
      terminationGracePeriodSeconds: 5,
    },
  };
}

interface Amounts {
  readonly limits?: Readonly<Record<string, string>>;
  readonly requests?: Readonly<Record<string, string>>;
}

/** As much as the containers may use, by their limits, or else their requests. */
function sizeFor(containers: readonly Container[]): { readonly cpu: number; readonly memory: string } {
  const amounts = containers.map((container) => (container['resources'] ?? {}) as Amounts);
  const millicpu = amounts.reduce((sum, { limits, requests }) => sum + millicpuOf(limits?.['cpu'] ?? requests?.['cpu'] ?? '100m'), 0);
  const mebibytes = amounts.reduce((sum, { limits, requests }) => sum + Math.ceil(bytesOf(limits?.['memory'] ?? requests?.['memory'] ?? `${CONTAINER_MIB}Mi`) / 2 ** 20), 0);
  return { cpu: Math.max(Math.ceil(millicpu / 1000), 1), memory: `${SYSTEM_MIB + mebibytes}Mi` };
}
