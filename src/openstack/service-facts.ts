import { NOVA } from './compute/nova.ts';
import { OpenStackError } from './errors.ts';
import { GLANCE } from './image/glance.ts';
import { NEUTRON } from './network/neutron.ts';
import { PLACEMENT } from './placement/placement.ts';
import { ServiceClient, type ServiceShape } from './service.ts';
import type { ServiceName } from './service-name.ts';
import type { Session } from './session.ts';
import { CINDER } from './volume/cinder.ts';

/** One service of a cloud, as whoever signs in finds it. */
export type ServiceFacts =
  /** The version is the microversion that is spoken, where the service has any. */
  | { readonly kind: 'there'; readonly name: ServiceName; readonly url: string; readonly version: string }
  /** The catalog has none, or none in this region and interface. */
  | { readonly kind: 'missing'; readonly name: ServiceName; readonly reason: string }
  | { readonly kind: 'failing'; readonly name: ServiceName; readonly url: string; readonly reason: string };

const SHAPES: readonly ServiceShape[] = [NOVA, NEUTRON, GLANCE, CINDER, PLACEMENT];

/** All that this program speaks to. Rejects with AuthenticationFailed and its like; what one service fails with is in its facts. */
export async function serviceFacts(session: Session, signal?: AbortSignal): Promise<readonly ServiceFacts[]> {
  await session.token(signal);
  const identity: ServiceFacts = { kind: 'there', name: 'identity', url: session.settings.authUrl, version: 'v3' };
  return [identity, ...await Promise.all(SHAPES.map((shape) => factsOf(session, shape, signal)))];
}

/** The one that is used: of the settings, else the only one of the catalog. */
export async function regionOf(session: Session, signal?: AbortSignal): Promise<string | undefined> {
  const { region, interface: face } = session.settings;
  if (region !== undefined) return region;
  const regions = new Set((await session.token(signal)).catalog.filter((endpoint) => endpoint.interface === face).map((endpoint) => endpoint.region));
  return regions.size === 1 ? [...regions][0] : undefined;
}

async function factsOf(session: Session, shape: ServiceShape, signal?: AbortSignal): Promise<ServiceFacts> {
  const { name } = shape;
  let url: string | undefined;
  try {
    url = await session.endpoint(name, signal);
    const version = shape.microversions === undefined ? shape.version?.segment ?? '' : await new ServiceClient(session, shape).version(signal);
    return { kind: 'there', name, url, version };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof OpenStackError)) throw error;
    const { message: reason } = error;
    return url === undefined ? { kind: 'missing', name, reason } : { kind: 'failing', name, url, reason };
  }
}
