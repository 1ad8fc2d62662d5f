/** Where a pod's files lie, relative to the root of PodFiles. */
export const podFolder = (podUid: string): string => podUid;
export const volumeFolder = (podUid: string, volume: string): string => `${podUid}/volumes/${volume}`;
export const containerFolder = (podUid: string, container: string): string => `${podUid}/containers/${container}`;
export const hostsFile = (podUid: string): string => `${podUid}/etc-hosts`;
export const terminationLog = (podUid: string, container: string, attempt: number): string => `${containerFolder(podUid, container)}/${attempt}`;
/** A folder of a volume that a subPath names. */
export const subPathFolder = (podUid: string, volume: string, path: string): string => `${volumeFolder(podUid, volume)}/${path}`;
