import { createHash } from 'node:crypto';
import type { CloudInitSeed } from '../port.ts';
import { openStackTree } from './openstack-tree.ts';

/** The files of a seed by path. */
export function seedFiles(seed: CloudInitSeed): ReadonlyMap<string, string> {
  return seed.layout === 'configDrive' ? openStackTree(seed) : noCloudFiles(seed);
}

/** By which cloud-init finds the disk. */
export function seedLabel({ layout }: CloudInitSeed): string {
  return layout === 'configDrive' ? 'config-2' : 'cidata';
}

/** JSON is YAML, so nothing needs other quoting. */
function noCloudFiles(seed: CloudInitSeed): ReadonlyMap<string, string> {
  const { metadata, availabilityZone } = seed;
  const files = new Map<string, string>();
  const keys = seed.sshKeys.map((key) => `  - ${JSON.stringify(key)}\n`).join('');
  files.set('meta-data', `instance-id: ${JSON.stringify(seed.instanceId)}\nlocal-hostname: ${JSON.stringify(seed.hostname)}\n${keys === '' ? '' : `public-keys:\n${keys}`}${availabilityZone === undefined ? '' : `availability-zone: ${JSON.stringify(availabilityZone)}\n`}${metadata === undefined ? '' : `meta: ${JSON.stringify(metadata)}\n`}`);
  files.set('user-data', seed.userData);
  if (seed.networkData !== undefined) files.set('network-config', seed.networkData);
  if (seed.vendorData !== undefined) files.set('vendor-data', seed.vendorData);
  for (const [name, content] of Object.entries(seed.files ?? {})) files.set(name, content);
  return files;
}

export function seedDigest(files: ReadonlyMap<string, string>): string {
  return createHash('sha256').update(JSON.stringify([...files])).digest('hex');
}
