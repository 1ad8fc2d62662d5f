import { silentProgress, type Progress } from '../../../base/progress.ts';
import type { OpenStackSite } from '../openstack-site.ts';
import { makeImages } from './images.ts';
import { makeKeypairs } from './keypairs.ts';
import { makeFloatingIp, makeNetworks } from './networks.ts';
import { ensureOperatorObjects } from './operator-objects.ts';
import { cloudsYaml, makeApplicationCredential, makeProject, type ApplicationCredential, type ProjectOfTenant } from './project.ts';
import { makeSecurityGroups } from './security-groups.ts';
import { act } from './servers.ts';
import { makeServers, serverPlans, type ServerParts, type ServerPlan } from './tenant-servers.ts';
import { becomes, makeVolumes } from './volumes.ts';

export interface SeedOptions {
  /** Of the project, and of the cloud in clouds.yaml. Default `acme`. */
  readonly name?: string;
  /** Default: all of `serverPlans`. */
  readonly plans?: readonly ServerPlan[];
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export interface SeededTenant extends ProjectOfTenant, ServerParts {
  readonly applicationCredential: ApplicationCredential;
  readonly cloudsYaml: string;
  /** Ids by names. */
  readonly servers: ReadonlyMap<string, string>;
  /** Of the bastion. */
  readonly floatingIp: string;
}

/** Makes a tenant with something of everything. Fails when there is one of that name. */
export function seedTenant(site: OpenStackSite, { name = 'acme', plans = serverPlans, progress = silentProgress, signal }: SeedOptions = {}): Promise<SeededTenant> {
  return progress.step(`Furnishing the tenant ${name}`, async (step) => {
    const update = (detail: string) => step.update(detail);
    const admin = await site.signIn(await site.administrator(), signal);
    const operator = await ensureOperatorObjects(admin);
    const project = await makeProject(admin, name);
    const tenant = await site.signIn(project, signal);
    const applicationCredential = await makeApplicationCredential(tenant, `${name}-tools`);
    update('networks');
    const networks = await makeNetworks(tenant, operator.externalNetwork);
    await makeSecurityGroups(tenant);
    await makeKeypairs(tenant);
    update('images and volumes');
    const images = await makeImages(tenant);
    const volumes = await makeVolumes(tenant, images.system);
    const parts: ServerParts = { operator, networks, images, volumes };
    const servers = await makeServers(tenant, plans, parts, (made) => update(`${made} of ${plans.length} servers`));
    update('what belongs to servers');
    await act(tenant, servers.get('web-1') ?? '', { lock: { locked_reason: 'Ask before you touch it' } });
    await tenant.post('compute', `/servers/${servers.get('db-1')}/os-volume_attachments`, { volumeAttachment: { volumeId: volumes.data } });
    await becomes(tenant, `/volumes/${volumes.data}`, 'volume', 'in-use');
    const floatingIp = await makeFloatingIp(tenant, operator.externalNetwork, servers.get('bastion') ?? '');
    return { ...project, ...parts, applicationCredential, cloudsYaml: cloudsYaml(site.authUrl, name, applicationCredential), servers, floatingIp };
  });
}
