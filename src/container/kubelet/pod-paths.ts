import { podFolder } from './materials/paths.ts';

/** Logs of a pod, or of one of its containers, relative to the root of pods' files. */
export function logFolder(podUid: string, container?: string): string {
  const folder = `${podFolder(podUid)}/logs`;
  return container === undefined ? folder : `${folder}/${container}`;
}

/** All volumes of a pod. */
export function volumesFolder(podUid: string): string {
  return `${podFolder(podUid)}/volumes`;
}

/** A path of the runtime's machine relative to the root; undefined when it is elsewhere. */
export function relativeTo(root: string, path: string): string | undefined {
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1) : undefined;
}
