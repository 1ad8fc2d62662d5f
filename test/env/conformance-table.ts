import type { ConformanceCase } from './conformance-case.ts';
import { environment } from './conformance-environment.ts';
import { images } from './conformance-images.ts';
import { lifecycle } from './conformance-lifecycle.ts';
import { network } from './conformance-network.ts';
import { probes } from './conformance-probes.ts';
import { security } from './conformance-security.ts';
import { volumes } from './conformance-volumes.ts';

type Table = Readonly<Record<string, readonly ConformanceCase[]>>;

/** All pods that are compared, by what they are about. */
export const conformanceTable: Table = { lifecycle, images, environment, volumes, security, network, probes };

/** Names of those that are compared in each run of the tests: a few of each kind, as many as an emulated guest runs in two minutes. */
const CORE = new Set(['never-3', 'init-ok', 'image-bad-name', 'env-fields', 'config-map-items', 'token', 'user-of-pod', 'subdomain']);

export const conformanceCore: Table = Object.fromEntries(Object.entries(conformanceTable).map(([group, cases]) => [group, cases.filter(({ name }) => CORE.has(name))]));

/** Every known difference. */
export function knownDifferences(): readonly { readonly name: string; readonly path: string; readonly reason: string }[] {
  return Object.values(conformanceTable).flat().flatMap(({ name, differs = {} }) => Object.entries(differs).map(([path, reason]) => ({ name, path, reason })));
}
