import type { Clock } from '../base/clock.ts';
import type { Hypervisor } from '../vm/port.ts';

/** Long enough for a guest to see that the cable is out: kernels tell of it with some delay. */
const PULLED_MS = 1200;

/** Pulls the cable and plugs it in again: a guest's DHCP client then asks for its address anew. May be repeated after any failure. */
export async function replug(hypervisor: Hypervisor, id: string, macAddress: string, clock: Clock, signal: AbortSignal): Promise<void> {
  await hypervisor.setLink(id, macAddress, false, signal);
  await clock.sleep(PULLED_MS, signal);
  await hypervisor.setLink(id, macAddress, true, signal);
}
