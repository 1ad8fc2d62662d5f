import type { PrintableStatus } from '../../api/virtual-machine-status.ts';
import type { Server, ServerStatus } from '../../openstack/compute/types.ts';

/** What a person can choose of a mirrored machine. */
export type Power = 'Always' | 'Halted';

interface Meaning {
  readonly printable: PrintableStatus;
  /** Whether it is meant to run. Absent while it is neither, or on its way. */
  readonly power?: Power;
}

const MEANINGS: Readonly<Record<ServerStatus, Meaning>> = {
  ACTIVE: { printable: 'Running', power: 'Always' },
  BUILD: { printable: 'Provisioning' },
  REBUILD: { printable: 'Provisioning' },
  REBOOT: { printable: 'Starting' },
  HARD_REBOOT: { printable: 'Starting' },
  PASSWORD: { printable: 'Running', power: 'Always' },
  MIGRATING: { printable: 'Running', power: 'Always' },
  RESCUE: { printable: 'Running', power: 'Always' },
  PAUSED: { printable: 'Paused', power: 'Always' },
  SUSPENDED: { printable: 'Paused', power: 'Always' },
  SHUTOFF: { printable: 'Stopped', power: 'Halted' },
  SHELVED: { printable: 'Stopped', power: 'Halted' },
  SHELVED_OFFLOADED: { printable: 'Stopped', power: 'Halted' },
  // Either may be running or not: the power state tells.
  RESIZE: { printable: 'Provisioning' },
  VERIFY_RESIZE: { printable: 'Running' },
  REVERT_RESIZE: { printable: 'Provisioning' },
  ERROR: { printable: 'ErrorGuest' },
  DELETED: { printable: 'Terminating' },
  SOFT_DELETED: { printable: 'Terminating' },
  UNKNOWN: { printable: 'Unknown' },
};

/** The server's status in the one word that machines have for it. */
export function printableOf({ status, power, task }: Server): PrintableStatus {
  if (task === 'powering-off') return 'Stopping';
  if (task === 'powering-on') return 'Starting';
  if (status === 'VERIFY_RESIZE' && power === 'shutdown') return 'Stopped';
  return MEANINGS[status].printable;
}

/** What the cloud has chosen; undefined while that cannot be said. */
export function powerOf({ status, task }: Server): Power | undefined {
  return task === undefined ? MEANINGS[status].power : undefined;
}

/** `SHELVED_OFFLOADED` as a reason: `ShelvedOffloaded`. */
export function reasonOf(status: ServerStatus): string {
  return status.toLowerCase().split('_').map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`).join('');
}
