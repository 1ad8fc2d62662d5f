import { amountOf } from '../../../base/quantity.ts';
import type { PodManifest } from '../pod.ts';
import type { Eviction } from './port.ts';
import { diskOf, emptyDirsOnDisk, type PodUsage } from './usage.ts';

const STORAGE = 'ephemeral-storage';

/** Whether anything in the pod's definition bounds what it may keep on disk. */
export function hasDiskLimit(pod: PodManifest): boolean {
  return emptyDirsOnDisk(pod).some(({ sizeLimit }) => amountOf(sizeLimit) > 0) || pod.spec.containers.some(({ resources }) => amountOf(resources?.limits?.[STORAGE]) > 0);
}

/** Why the pod has to go since it keeps more on disk than it may, in the kubelet's words; undefined when it does not. */
export function excessOf(usage: PodUsage): Eviction | undefined {
  const message = volumeExcess(usage) ?? podExcess(usage) ?? containerExcess(usage);
  return message === undefined ? undefined : { message, isDisruption: false };
}

function volumeExcess({ pod, volumes }: PodUsage): string | undefined {
  const full = emptyDirsOnDisk(pod).find(({ name, sizeLimit }) => amountOf(sizeLimit) > 0 && (volumes.find((volume) => volume.name === name)?.bytes ?? 0) > amountOf(sizeLimit));
  return full === undefined ? undefined : `Usage of EmptyDir volume ${JSON.stringify(full.name)} exceeds the limit ${JSON.stringify(full.sizeLimit)}. `;
}

function podExcess(usage: PodUsage): string | undefined {
  const limits = usage.pod.spec.containers.map(({ resources }) => resources?.limits?.[STORAGE]);
  const limit = limits.reduce((sum, each) => sum + amountOf(each), 0);
  if (limit === 0 || diskOf(usage) <= limit) return undefined;
  const [first, ...others] = limits.filter((each) => each !== undefined);
  return `Pod ephemeral local storage usage exceeds the total limit of containers ${others.length === 0 ? first : limit}. `;
}

function containerExcess({ pod, containers }: PodUsage): string | undefined {
  for (const { name, resources } of pod.spec.containers) {
    const limit = resources?.limits?.[STORAGE];
    const used = containers.find((container) => container.name === name)?.diskBytes ?? 0;
    if (amountOf(limit) > 0 && used > amountOf(limit)) return `Container ${name} exceeded its local ephemeral storage limit ${JSON.stringify(limit)}. `;
  }
  return undefined;
}
