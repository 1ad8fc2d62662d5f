import { randomBytes } from 'node:crypto';
import { stringify } from 'yaml';
import type { OpenStackApi } from '../api.ts';
import { roleId } from '../catalog.ts';
import { REGION } from '../place.ts';
import type { Named } from './named.ts';

export interface ProjectOfTenant {
  readonly project: string;
  readonly projectId: string;
  readonly user: string;
  readonly password: string;
}

export interface ApplicationCredential {
  readonly id: string;
  readonly secret: string;
}

/** A project and its one user, who has the name with `-user`, and who may do there what members may. */
export async function makeProject(admin: OpenStackApi, name: string): Promise<ProjectOfTenant> {
  const password = randomBytes(12).toString('base64url');
  const user = `${name}-user`;
  const made = await admin.post<{ readonly project: Named }>('identity', '/projects', { project: { name, domain_id: 'default', description: 'A tenant to try things out with' } });
  const { user: { id } } = await admin.post<{ readonly user: Named }>('identity', '/users', { user: { name: user, domain_id: 'default', password, default_project_id: made.project.id } });
  await admin.put('identity', `/projects/${made.project.id}/users/${id}/roles/${await roleId(admin, 'member')}`);
  return { project: name, projectId: made.project.id, user, password };
}

/** For the one who is signed in, in their project. */
export async function makeApplicationCredential(tenant: OpenStackApi, name: string): Promise<ApplicationCredential> {
  const { application_credential: made } = await tenant.post<{ readonly application_credential: ApplicationCredential }>('identity', `/users/${tenant.userId}/application_credentials`, { application_credential: { name, roles: [{ name: 'member' }] } });
  return { id: made.id, secret: made.secret };
}

/** The file that OpenStack's clients read: the cloud of the tenant's name signs in by the application credential. */
export function cloudsYaml(authUrl: string, name: string, credential: ApplicationCredential): string {
  return stringify({
    clouds: {
      [name]: { auth_type: 'v3applicationcredential', auth: { auth_url: authUrl, application_credential_id: credential.id, application_credential_secret: credential.secret }, region_name: REGION, identity_api_version: 3, interface: 'public' },
    },
  });
}
