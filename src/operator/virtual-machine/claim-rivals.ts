import type { CompiledGuest } from '../../api/compiled-guest.ts';
import type { Pod } from '../../kube/core.ts';
import type { Informer } from '../../kube/informer.ts';
import { keyFor } from '../../kube/object.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import { UnresolvedError } from './guest-compiler.ts';
import { judge } from './verdict.ts';

export interface ClaimRivalsContext {
  /** Indexed `diskClaim` by the claims that are written to as disks. */
  readonly vms: Informer<VirtualMachine>;
  /** Indexed `owner` by the uid of their VirtualMachine. */
  readonly anchors: Informer<Pod>;
}

/**
 * Two guests that write to one disk destroy it, whatever the access modes of its claim allow. Of machines that have a
 * writable disk of the same claim one runs: the one that does already, else the oldest of those that are to.
 */
export function rivalFor(context: ClaimRivalsContext, vm: VirtualMachine, guest: CompiledGuest, nowMs: number): UnresolvedError | undefined {
  for (const { name, claim, readOnly } of guest.disks) {
    if (claim === undefined || readOnly) continue;
    const others = context.vms.byIndex('diskClaim', keyFor(vm.metadata.namespace, claim.name)).filter((other) => other.metadata.uid !== vm.metadata.uid);
    const rival = others.find((other) => goesFirst(context, other, vm, nowMs));
    if (rival !== undefined) return new UnresolvedError('ClaimInUse', `disk ${name}: claim ${claim.name} is a disk of VirtualMachine ${rival.metadata.name} too, which has it now; stop that one, or make a copy of the claim`);
  }
  return undefined;
}

/** Whether the machine has anything of a claim, its own ones included. */
export function usesClaims({ spec: { disks = [], filesystems = [] } }: VirtualMachine): boolean {
  return filesystems.length > 0 || disks.some(({ persistentVolumeClaim, storageClassName }) => persistentVolumeClaim !== undefined || storageClassName !== undefined);
}

/** Claims that a machine writes to as disks. Those of a provider are none of this cluster's. */
export function diskClaimsOf({ metadata, spec }: VirtualMachine): readonly string[] {
  if (spec.provider !== undefined) return [];
  const names = (spec.disks ?? []).flatMap(({ persistentVolumeClaim, readOnly }) => (persistentVolumeClaim === undefined || readOnly === true ? [] : [persistentVolumeClaim]));
  return [...new Set(names)].map((name) => keyFor(metadata.namespace, name));
}

function goesFirst({ anchors }: ClaimRivalsContext, other: VirtualMachine, vm: VirtualMachine, nowMs: number): boolean {
  if (anchors.byIndex('owner', other.metadata.uid ?? '').length > 0) return true;
  return judge(other, [], nowMs).action.kind === 'start' && age(other) < age(vm);
}

function age({ metadata }: VirtualMachine): string {
  return `${metadata.creationTimestamp ?? ''}/${metadata.uid ?? ''}`;
}
