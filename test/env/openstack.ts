import { join } from 'node:path';
import { silentProgress } from '../../src/base/progress.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { OpenStackPeer, type OpenStackPeerOptions } from '../../src/local/openstack/openstack-peer.ts';
import { openStackClientPackage } from '../../src/local/openstack/packages.ts';

/** A real OpenStack of the tests' own, with what it takes to look at it by OpenStack's own client. */
export function startOpenStack(options: Partial<OpenStackPeerOptions> = {}): Promise<OpenStackPeer> {
  return OpenStackPeer.start({ progress: silentProgress, environment: process.env, install: true, packages: [openStackClientPackage], cacheFolder: join(defaultCacheRoot, 'openstack'), ...options });
}
