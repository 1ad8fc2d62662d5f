import { Option, type Command } from 'commander';
import { Inventory } from '../openstack/inventory.ts';
import type { CliContext } from './context.ts';
import { chosenCloud, withCloud, withCloudOptions, type CloudOptions } from './tenant/cloud-options.ts';
import { discoveryOf, whereaboutsOf } from './tenant/discovery.ts';
import { discoveryText, whereaboutsText } from './tenant/discovery-text.ts';

interface DiscoverOptions extends CloudOptions {
  readonly output: 'table' | 'json';
}

export function registerTenantDiscover(tenant: Command, context: CliContext): void {
  withCloudOptions(tenant.command('discover'))
    .description('list what a project of an OpenStack cloud has, what of it an OpenStackTenant would show, and what not and why; needs no cluster')
    .addOption(new Option('-o, --output <format>', 'how it is printed').choices(['table', 'json']).default('table'))
    .action(async (options: DiscoverOptions) => discover(options, context));
}

async function discover(options: DiscoverOptions, context: CliContext): Promise<void> {
  const { print, progress, signal } = context;
  const { settings } = await chosenCloud(options, context);
  await withCloud(settings, context, async (cloud) => {
    const whereabouts = whereaboutsOf(settings, await cloud.identity.whoAmI(signal), await cloud.describe(signal));
    // Before the lists: it helps where one of them fails.
    if (options.output === 'table') print(`${whereaboutsText(whereabouts)}\n`);
    const found = await progress.step('Listing what the project has', () => new Inventory(cloud).sync(signal));
    const discovery = discoveryOf(whereabouts, found);
    print(options.output === 'json' ? JSON.stringify(discovery, undefined, 2) : discoveryText(discovery));
  });
}
