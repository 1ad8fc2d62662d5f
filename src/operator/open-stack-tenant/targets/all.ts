import type { AnyTarget } from '../target.ts';
import { flavors } from './flavors.ts';
import { hostNames } from './host-names.ts';
import { images } from './images.ts';
import { keypairs } from './keypairs.ts';
import { securityGroups } from './security-groups.ts';
import { servers } from './servers.ts';
import { subnets } from './subnets.ts';
import { claims, volumes } from './volumes.ts';

/** In the order in which they are written: what others name comes first. */
// The compiler does not see that a target is asked only about sources of its own kind.
export const TARGETS = [flavors, images, keypairs, securityGroups, subnets, claims, volumes, servers, hostNames] as unknown as readonly AnyTarget[];
