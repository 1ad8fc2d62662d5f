import type { HypervisorInfo } from './port.ts';

/** MiB that QEMU and its helpers need beside the guest's own memory: 96 MiB and 1/64 of it. Anchors request them. */
export function overheadMiB(memoryMiB: number): number {
  return 96 + Math.ceil(memoryMiB / 64);
}

/**
 * MiB of room for translated code of a guest, where it is emulated. QEMU's default of 1 GiB would be most of a small guest's
 * cost; where it is short, all of it is thrown away and translated again: with 32 MiB pods in a guest of 512 MiB take twice
 * as long to start.
 */
export function translationCacheMiB(memoryMiB: number, acceleration: HypervisorInfo['acceleration']): number {
  return acceleration === 'tcg' ? Math.min(256, Math.max(64, Math.round(memoryMiB / 4))) : 0;
}

/**
 * MiB that a guest's process is held to. An anchor's request is less by the room for translated code, since it is made before
 * anyone knows which node the guest will run on.
 */
export function limitMiB(memoryMiB: number, acceleration: HypervisorInfo['acceleration']): number {
  return memoryMiB + overheadMiB(memoryMiB) + translationCacheMiB(memoryMiB, acceleration);
}
