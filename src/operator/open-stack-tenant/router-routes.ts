import type { OpenStackTenantSpec, OpenStackTenantStatus } from '../../api/open-stack-tenant.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { ConditionDraft } from '../../kube/conditions.ts';
import { OpenStackError } from '../../openstack/errors.ts';
import type { InventoryState } from '../../openstack/inventory/state.ts';
import type { NetworkService } from '../../openstack/network/port.ts';
import type { Route, Router } from '../../openstack/network/types.ts';

/** A static route that a router in the cloud has, or is to have, for this tenant. */
export type RouterRoute = NonNullable<OpenStackTenantStatus['routes']>[number];

export interface RouteView {
  readonly spec: OpenStackTenantSpec;
  /** As the status has them: none is in the cloud that is not among them. */
  readonly recorded: readonly RouterRoute[];
  readonly state: InventoryState;
  /** Networks of pods and machines here. */
  readonly networks: readonly string[];
  readonly service: Pick<NetworkService, 'addRoutes' | 'removeRoutes'>;
}

export interface RouteRound {
  /** For the status. */
  readonly recorded: readonly RouterRoute[];
  readonly condition?: ConditionDraft;
  /** What is recorded has to be written down before anything is done. */
  readonly isAnnounced: boolean;
}

interface Plan {
  readonly wanted: readonly RouterRoute[];
  /** What cannot be. */
  readonly problems: readonly string[];
  readonly routers: readonly Router[];
}

/** Routers are listed once a minute: what was written since is not to be seen yet. */
const LISTED_MS = 90_000;

/** Has routers of the cloud send here what is for pods and machines. What it does may be repeated, and nothing is done before it is recorded. */
export class RouterRoutes {
  readonly #clock: Clock;
  /** What was done last to a route, by its text. */
  readonly #done = new Map<string, { readonly isThere: boolean; readonly atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async work(view: RouteView, signal: AbortSignal): Promise<RouteRound> {
    const plan = planOf(view);
    const known = new Set(view.recorded.map(textOf));
    const unrecorded = plan.wanted.filter((route) => !known.has(textOf(route)));
    if (unrecorded.length > 0) return { recorded: [...view.recorded, ...unrecorded], condition: connected('False', 'Connecting', 'routes are being written'), isAnnounced: true };
    const wanted = new Set(plan.wanted.map(textOf));
    const stale = view.recorded.filter((route) => !wanted.has(textOf(route)));
    const failures: string[] = [];
    const attempt = async (routes: readonly RouterRoute[], isThere: boolean): Promise<readonly RouterRoute[]> => {
      const left: RouterRoute[] = [];
      for (const [router, some] of byRouter(routes)) {
        try {
          await view.service[isThere ? 'addRoutes' : 'removeRoutes'](router, some.map(routeOf), signal);
          for (const route of some) this.#done.set(textOf(route), { isThere, atMs: this.#clock.now() });
        } catch (error) {
          if (!(error instanceof OpenStackError)) throw error;
          failures.push(`router ${view.state.routers.get(router)?.name ?? router}: ${messageOf(error)}`);
          left.push(...some);
        }
      }
      return left;
    };
    const left = await attempt(stale, false);
    await attempt(plan.wanted.filter((route) => !this.#isThere(route, view.state)), true);
    const condition = saidOf(view.spec, plan, failures);
    return { recorded: [...plan.wanted, ...left], isAnnounced: false, ...(condition === undefined ? {} : { condition }) };
  }

  #isThere(route: RouterRoute, { routers }: InventoryState): boolean {
    const { router, destination, nextHop } = route;
    const done = this.#done.get(textOf(route));
    if (done !== undefined && this.#clock.now() - done.atMs < LISTED_MS) return done.isThere;
    return routers.get(router)?.routes.some((one) => one.destination === destination && one.nextHop === nextHop) === true;
  }
}

/** Takes all of them away; routers that are gone have none. */
export async function takeBackRoutes(routes: readonly RouterRoute[], service: RouteView['service'], signal: AbortSignal): Promise<void> {
  for (const [router, some] of byRouter(routes)) await service.removeRoutes(router, some.map(routeOf), signal);
}

function planOf({ spec, state, networks }: RouteView): Plan {
  const problems: string[] = [];
  const found = (spec.connect?.routers ?? []).flatMap(({ name, nextHop }) => {
    const named = [...state.routers.values()].filter((router) => router.id === name || router.name === name);
    const [router] = named;
    if (router !== undefined && named.length === 1) return [{ router, nextHop }];
    problems.push(router === undefined ? `the project has no router ${name}` : `${named.length} routers are called ${name}: name one by its id`);
    return [];
  });
  const wanted = found.flatMap(({ router, nextHop }) => networks.map((destination) => ({ router: router.id, destination, nextHop })));
  return { wanted, problems, routers: found.map(({ router }) => router) };
}

function saidOf({ connect }: OpenStackTenantSpec, { wanted, problems, routers }: Plan, failures: readonly string[]): ConditionDraft | undefined {
  if (connect === undefined || connect.routers.length === 0) return failures.length === 0 ? undefined : connected('False', 'RouteRefused', failures.join('; '));
  if (problems.length > 0) return connected('False', 'RouterNotFound', problems.join('; '));
  if (failures.length > 0) return connected('False', 'RouteRefused', failures.join('; '));
  if (wanted.length === 0) return connected('False', 'NoNetworks', 'the cluster has no IPPool of IPv4 that could be routed to');
  const translating = routers.filter(({ gateway }) => gateway?.snat === true).map(({ name, id }) => name || id);
  const snat = translating.length === 0 ? '' : `; router ${translating.join(', ')} translates addresses of what leaves by its gateway (SNAT), so servers are seen by that address there`;
  return connected('True', 'Routed', `${[...new Set(wanted.map(({ destination }) => destination))].join(', ')}: routed here by ${routers.map(({ name, id }) => name || id).join(', ')}${snat}`);
}

function connected(status: 'True' | 'False', reason: string, message: string): ConditionDraft {
  return { type: 'Connected', status, reason, message };
}

function byRouter(routes: readonly RouterRoute[]): ReadonlyMap<string, readonly RouterRoute[]> {
  return Map.groupBy(routes, ({ router }) => router);
}

function routeOf({ destination, nextHop }: RouterRoute): Route {
  return { destination, nextHop };
}

function textOf({ router, destination, nextHop }: RouterRoute): string {
  return `${router} ${destination} ${nextHop}`;
}
