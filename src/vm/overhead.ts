/** MiB that QEMU and its helpers need beside the guest's own memory: 96 MiB and 1/64 of it. */
export function overheadMiB(memoryMiB: number): number {
  return 96 + Math.ceil(memoryMiB / 64);
}
