import type { ServerAction } from '../../compute/port.ts';
import type { PowerState, ServerStatus } from '../../compute/types.ts';

interface Transition {
  readonly from: readonly ServerStatus[];
  readonly to: ServerStatus;
  readonly power: PowerState;
  /** While it goes on. */
  readonly task: string;
}

const UP: readonly ServerStatus[] = ['ACTIVE', 'PAUSED', 'SUSPENDED', 'SHUTOFF'];

/** What actions do to a server: https://docs.openstack.org/nova/latest/reference/vm-states.html */
export function transitionOf(action: ServerAction): Transition | undefined {
  switch (action.kind) {
    case 'start': return { from: ['SHUTOFF'], to: 'ACTIVE', power: 'running', task: 'powering-on' };
    case 'stop': return { from: ['ACTIVE'], to: 'SHUTOFF', power: 'shutdown', task: 'powering-off' };
    case 'pause': return { from: ['ACTIVE'], to: 'PAUSED', power: 'paused', task: 'pausing' };
    case 'unpause': return { from: ['PAUSED'], to: 'ACTIVE', power: 'running', task: 'unpausing' };
    case 'suspend': return { from: ['ACTIVE'], to: 'SUSPENDED', power: 'shutdown', task: 'suspending' };
    case 'resume': return { from: ['SUSPENDED'], to: 'ACTIVE', power: 'running', task: 'resuming' };
    case 'shelve': return { from: UP, to: 'SHELVED_OFFLOADED', power: 'shutdown', task: 'shelving' };
    case 'shelveOffload': return { from: ['SHELVED'], to: 'SHELVED_OFFLOADED', power: 'shutdown', task: 'shelving_offloading' };
    case 'unshelve': return { from: ['SHELVED', 'SHELVED_OFFLOADED'], to: 'ACTIVE', power: 'running', task: 'unshelving' };
    case 'unrescue': return { from: ['RESCUE'], to: 'ACTIVE', power: 'running', task: 'unrescuing' };
    case 'resize': return { from: ['ACTIVE', 'SHUTOFF'], to: 'VERIFY_RESIZE', power: 'running', task: 'resize_prep' };
    case 'confirmResize': case 'revertResize': return { from: ['VERIFY_RESIZE'], to: 'ACTIVE', power: 'running', task: 'resize_reverting' };
    case 'reboot': return { from: action.how === 'soft' ? ['ACTIVE'] : [...UP, 'ERROR'], to: 'ACTIVE', power: 'running', task: 'rebooting' };
    case 'lock': case 'unlock': case 'addSecurityGroup': case 'removeSecurityGroup': return undefined;
  }
}
