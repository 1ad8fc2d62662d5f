import { conditionOf } from '../../src/kube/conditions.ts';
import { namespaces, secrets } from '../../src/kube/core.ts';
import { openStackTenants, virtualMachines, type OpenStackTenant, type VirtualMachine } from '../../src/kube/yadokari.ts';
import type { OpenStackTenantSpec } from '../../src/api/open-stack-tenant.ts';
import type { SeededTenant } from '../../src/local/openstack/seed/tenant.ts';
import { CLOUD, type MirroredTenant } from './mirrored.ts';
import type { MirrorOperator } from './mirror-operator.ts';

/** A project of an OpenStack for tests that an OpenStackTenant of the same name mirrors. */
export class MirroredProject {
  readonly tenant: MirroredTenant;
  readonly #formerly = new Map<string, string>();
  readonly #operator: MirrorOperator;
  readonly #project: SeededTenant;
  readonly #authUrl: string;

  private constructor(operator: MirrorOperator, project: SeededTenant, authUrl: string, isManaged: boolean) {
    this.#operator = operator;
    this.#project = project;
    this.#authUrl = authUrl;
    this.tenant = { namespace: project.project, name: project.project, isManaged, formerly: this.#formerly };
  }

  static async begin(operator: MirrorOperator, project: SeededTenant, authUrl: string, spec: Omit<OpenStackTenantSpec, 'cloud'>): Promise<MirroredProject> {
    const made = new MirroredProject(operator, project, authUrl, spec.servers?.mode === 'Manage');
    const { namespace, name } = made.tenant;
    await operator.admin.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    await operator.admin.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: 'cloud' }, data: { 'clouds.yaml': made.#cloudsYaml(project.password) } });
    await operator.admin.create(openStackTenants, { apiVersion: 'yadokari.dev/v1alpha1', kind: 'OpenStackTenant', metadata: { namespace, name }, spec: { cloud: { secret: 'cloud' }, ...spec } });
    return made;
  }

  get(): Promise<OpenStackTenant> {
    return this.#operator.admin.get(openStackTenants, this.tenant);
  }

  /** Resolves when its condition Ready has that reason. */
  becomes(reason: string): Promise<OpenStackTenant> {
    return this.#operator.eventually(`the tenant being ${reason}`, async () => {
      const found = await this.get();
      return conditionOf(found.status?.conditions, 'Ready')?.reason === reason && found;
    }, 900);
  }

  /** The machine of a server by its id; undefined where there is none. */
  async machine(server: string): Promise<VirtualMachine | undefined> {
    return (await this.#operator.admin.listAll(virtualMachines, { namespace: this.tenant.namespace, labelSelector: `${CLOUD}id=${server}` })).items[0];
  }

  /** To be told before the thing of that id gets another name. */
  isRenamed(id: string, from: string): void {
    this.#formerly.set(id, from);
  }

  /** Default: the right one. */
  async usePassword(password = this.#project.password): Promise<void> {
    await this.#operator.admin.patch(secrets, { namespace: this.tenant.namespace, name: 'cloud' }, { data: { 'clouds.yaml': this.#cloudsYaml(password) } });
  }

  #cloudsYaml(password: string): string {
    const { project, user } = this.#project;
    const auth = { auth_url: this.#authUrl, username: user, password, project_name: project, user_domain_name: 'Default', project_domain_name: 'Default' };
    return Buffer.from(JSON.stringify({ clouds: { [project]: { auth, region_name: 'RegionOne' } } })).toString('base64');
  }
}
