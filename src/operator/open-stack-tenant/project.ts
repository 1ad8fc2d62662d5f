import type { OpenStackTenant } from '../../kube/yadokari.ts';
import type { InventoryState } from '../../openstack/inventory/state.ts';
import type { Cloud } from '../../openstack/port.ts';
import type { StateIndex } from './state-index.ts';

/** A tenant's project, as of its last sync. */
export interface Project {
  readonly tenant: OpenStackTenant;
  readonly cloud: Cloud;
  readonly state: InventoryState;
  readonly index: StateIndex;
}
