import type { CompiledGuest } from '../api/compiled-guest.ts';
import { ANNOTATION_GUEST, FINALIZER_GUEST, LABEL_VIRTUAL_MACHINE } from '../api/group.ts';
import type { Pod } from '../kube/core.ts';
import { keyOf, type ObjectKey } from '../kube/object.ts';

/** An anchor bound to this node, with the guest that the operator compiled into it. */
export interface Anchor {
  readonly key: ObjectKey;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly pod: Pod;
  readonly guest: CompiledGuest;
  /** Name of the guest's folder on this node: its machine's, so that disks outlive anchors, and of this very machine only. */
  readonly folder: string;
}

/** Pods of a cache never change, and are asked for often. */
const known = new WeakMap<Pod, { readonly anchor: Anchor | undefined }>();

/** The pod as an anchor; undefined for any other pod. Only the operator may make anchors: an admission policy sees to it. */
export function anchorOf(pod: Pod): Anchor | undefined {
  const entry = known.get(pod) ?? { anchor: parse(pod) };
  known.set(pod, entry);
  return entry.anchor;
}

function parse(pod: Pod): Anchor | undefined {
  const text = pod.metadata.annotations?.[ANNOTATION_GUEST];
  if (pod.metadata.labels?.[LABEL_VIRTUAL_MACHINE] === undefined || text === undefined) return undefined;
  const guest = guestOf(text);
  if (guest === undefined) return undefined;
  const { namespace = 'default', name, uid = '' } = pod.metadata;
  return { key: keyOf(pod), namespace, name, uid, pod, guest, folder: folderOf(namespace, guest.name, guest.uid) };
}

/** What is no JSON was not written by the operator. */
function guestOf(text: string): CompiledGuest | undefined {
  try {
    return JSON.parse(text) as CompiledGuest;
  } catch {
    return undefined;
  }
}

export function folderOf(namespace: string, machine: string, uid: string): string {
  return `${namespace}.${machine}.${uid}`;
}

/** The machine that a folder belongs to; its name may hold dots, its namespace and uid do not. */
export function machineOfFolder(folder: string): { readonly namespace: string; readonly name: string; readonly uid: string } | undefined {
  const match = /^([^.]+)\.(.+)\.([^.]+)$/.exec(folder);
  if (match === null) return undefined;
  const [, namespace = '', name = '', uid = ''] = match;
  return { namespace, name, uid };
}

/** Whether this node still has to let go of the guest. */
export function isHeld(pod: Pod): boolean {
  return pod.metadata.finalizers?.includes(FINALIZER_GUEST) === true;
}
