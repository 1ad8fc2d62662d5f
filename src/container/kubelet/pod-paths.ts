/** Where a pod's files lie, relative to the root of PodFiles. */
export const podFolder = (podUid: string): string => podUid;
export const hostsFile = (podUid: string): string => `${podFolder(podUid)}/etc-hosts`;

/** All volumes of a pod, one of them, and what a subPath names in it. */
export const volumesFolder = (podUid: string): string => `${podFolder(podUid)}/volumes`;
export const volumeFolder = (podUid: string, volume: string): string => `${volumesFolder(podUid)}/${volume}`;
export const subPathFolder = (podUid: string, volume: string, path: string): string => `${volumeFolder(podUid, volume)}/${path}`;

/** What a container leaves as its last words, for one of its attempts. */
export const terminationLog = (podUid: string, container: string, attempt: number): string => `${podFolder(podUid)}/containers/${container}/${attempt}`;

/** Logs of a pod, or of one of its containers. */
export function logFolder(podUid: string, container?: string): string {
  const folder = `${podFolder(podUid)}/logs`;
  return container === undefined ? folder : `${folder}/${container}`;
}

/** A path of the runtime's machine relative to the root; undefined when it is elsewhere. */
export function relativeTo(root: string, path: string): string | undefined {
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1) : undefined;
}
