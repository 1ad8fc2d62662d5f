import { Counter, type Registry } from 'prom-client';
import type { CopyOptions } from './disk-copy.ts';

/** Counts what copies of disks move, in a registry. */
export function copyMetrics(registry: Registry): NonNullable<CopyOptions['observe']> {
  const bytes = new Counter({ name: 'yadokari_disk_copy_bytes_total', help: 'Bytes of disks of clouds: read there, written to claims, and verified.', labelNames: ['what'], registers: [registry] });
  return (what, count) => bytes.inc({ what }, count);
}
