import { OpenStackError } from './errors.ts';
import type { ServiceName } from './service-name.ts';
import { Wire } from './wire.ts';

/** `major.minor`, such as `2.79`: 2.10 is newer than 2.9. */
export type Microversion = `${number}.${number}`;

export interface MicroversionRange {
  readonly minimum: Microversion;
  readonly maximum: Microversion;
}

/** Negative, 0 or positive, as for sorting. */
export function compareMicroversions(a: Microversion, b: Microversion): number {
  const [[aMajor = 0, aMinor = 0], [bMajor = 0, bMinor = 0]] = [a.split('.').map(Number), b.split('.').map(Number)];
  return aMajor - bMajor || aMinor - bMinor;
}

export function isMicroversion(text: string): text is Microversion {
  return /^[0-9]+\.[0-9]+$/.test(text);
}

/**
 * What a service offers, as its version document says: a list of versions (Nova, Cinder, Placement, Glance) or one of
 * them. Undefined where none is of this major version.
 */
export function offeredRange(service: ServiceName, major: number, document: unknown): MicroversionRange | undefined {
  const wire = new Wire(service, 'its version document', document);
  const versions = wire.has('version') ? [wire.object('version')] : wire.objectsIf('versions');
  const ranges = versions.flatMap((version) => rangeOf(version, major)).sort((a, b) => compareMicroversions(a.minimum, b.minimum));
  const [lowest] = ranges;
  const highest = ranges.toSorted((a, b) => compareMicroversions(a.maximum, b.maximum)).at(-1);
  return lowest === undefined || highest === undefined ? undefined : { minimum: lowest.minimum, maximum: highest.maximum };
}

function rangeOf(version: Wire, major: number): readonly MicroversionRange[] {
  const id = version.text('id').replace(/^v/, '');
  // Placement's API is v1.0 and calls its highest max_version; Glance counts its versions themselves.
  const maximum = version.textIf('max_version') ?? version.textIf('version') ?? id;
  const minimum = version.textIf('min_version') ?? (maximum === id ? id : `${major}.0`);
  if (!isMicroversion(minimum) || !isMicroversion(maximum) || Number(id.split('.')[0]) !== major) return [];
  // Nova's v2.0 is an older API of its own, without microversions.
  return version.has('version') && version.textIf('version') === undefined ? [] : [{ minimum, maximum }];
}

/** The highest that both know. Throws MicroversionUnsupported, which says who is too old. */
export function negotiate(service: ServiceName, ours: MicroversionRange, theirs: MicroversionRange): Microversion {
  const highest = compareMicroversions(ours.maximum, theirs.maximum) < 0 ? ours.maximum : theirs.maximum;
  const lowest = compareMicroversions(ours.minimum, theirs.minimum) > 0 ? ours.minimum : theirs.minimum;
  if (compareMicroversions(lowest, highest) <= 0) return highest;
  throw new OpenStackError('MicroversionUnsupported', `${service} offers the microversions ${theirs.minimum} to ${theirs.maximum}, and needed is one of ${ours.minimum} to ${ours.maximum}`, { service });
}
