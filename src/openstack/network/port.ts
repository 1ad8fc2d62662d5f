import type { Page } from '../page.ts';
import type { Quotas } from '../quota.ts';
import type { FixedAddress, FloatingAddress, Network, Port, Route, Router, SecurityGroup, Subnet } from './types.ts';

/** Fields of a port that are to be so; those left out are the service's, or stay. */
export interface PortFields {
  readonly name?: string;
  readonly description?: string;
  readonly up?: boolean;
  readonly addresses?: readonly (FixedAddress | { readonly subnetId: string } | { readonly address: string })[];
  readonly allowedPairs?: Port['allowedPairs'];
  readonly securityGroupIds?: readonly string[];
  readonly portSecurity?: boolean;
}

export interface PortRequest extends PortFields {
  readonly networkId: string;
  readonly macAddress?: string;
}

/**
 * Neutron, as one project sees it. Each call rejects with an OpenStackError. What removes something may be repeated: it
 * is no error that there is nothing.
 */
export interface NetworkService {
  /** Also those of others that the project may use. */
  networks(signal?: AbortSignal): AsyncIterable<Page<Network>>;
  subnets(signal?: AbortSignal): AsyncIterable<Page<Subnet>>;
  /** Of this project; of one device where it is named. */
  ports(filter?: { readonly deviceId?: string }, signal?: AbortSignal): AsyncIterable<Page<Port>>;
  routers(signal?: AbortSignal): AsyncIterable<Page<Router>>;
  floatingAddresses(signal?: AbortSignal): AsyncIterable<Page<FloatingAddress>>;
  /** With their rules. */
  securityGroups(signal?: AbortSignal): AsyncIterable<Page<SecurityGroup>>;

  port(id: string, signal?: AbortSignal): Promise<Port | undefined>;
  createPort(request: PortRequest, signal?: AbortSignal): Promise<Port>;
  /** Rejects with RevisionConflict when the port is not of this revision any more: read it again. */
  updatePort(id: string, fields: PortFields, revision: number, signal?: AbortSignal): Promise<Port>;
  deletePort(id: string, signal?: AbortSignal): Promise<void>;

  createFloatingAddress(networkId: string, portId?: string, signal?: AbortSignal): Promise<FloatingAddress>;
  /** Leads it to this port; to none where it is undefined. */
  moveFloatingAddress(id: string, portId: string | undefined, signal?: AbortSignal): Promise<FloatingAddress>;
  deleteFloatingAddress(id: string, signal?: AbortSignal): Promise<void>;

  /** Beside those that the router has; one that is there already is no error. */
  addRoutes(routerId: string, routes: readonly Route[], signal?: AbortSignal): Promise<void>;
  /** It is no error when they, or the router, are gone. */
  removeRoutes(routerId: string, routes: readonly Route[], signal?: AbortSignal): Promise<void>;

  /** In place of all that it has. */
  setTags(kind: 'networks' | 'subnets' | 'ports' | 'routers' | 'floatingips' | 'security-groups', id: string, tags: readonly string[], signal?: AbortSignal): Promise<void>;
  /** Aliases of what this Neutron can beside its core, such as `trunk`. */
  extensions(signal?: AbortSignal): Promise<ReadonlySet<string>>;
  quotas(signal?: AbortSignal): Promise<Quotas>;
}
