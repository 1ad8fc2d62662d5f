import type { OpenStackTenantSpec } from '../../src/api/open-stack-tenant.ts';
import { LABEL_CLOUD_ID, LABEL_TENANT } from '../../src/api/open-stack-names.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { conditionOf } from '../../src/kube/conditions.ts';
import { namespaces, secrets } from '../../src/kube/core.ts';
import type { KubeObject, Resource } from '../../src/kube/object.ts';
import { openStackTenants, type OpenStackTenant } from '../../src/kube/yadokari.ts';
import { SimulatedCloud } from '../../src/openstack/drivers/simulated/cloud.ts';
import { OpenStackError } from '../../src/openstack/errors.ts';
import type { ConnectCloud } from '../../src/operator/open-stack-tenant/cloud-access.ts';
import { MirrorOperator } from './mirror-operator.ts';

const SPEED = 5;
const TENANT = 'shop';

/** A clouds.yaml of a cloud of this name, whose password is `not-shown`. */
export function simulatedCloudsYaml(name: string): string {
  return JSON.stringify({ clouds: { [name]: { auth: { auth_url: 'http://127.0.0.1:1/v3', username: 'u', password: 'not-shown', project_name: name, user_domain_name: 'Default', project_domain_name: 'Default' } } } });
}

/** The id of what an object here mirrors. */
export function cloudIdOf(object: KubeObject | undefined): string | undefined {
  return object?.metadata.labels?.[LABEL_CLOUD_ID];
}

/** An operator on a real API server, and tenants `shop` of clouds in memory, each in the namespace that is called as its cloud. */
export class SimulatedTenants implements AsyncDisposable {
  readonly operator: MirrorOperator;
  /** Whoever is not in here is not known to any cloud. */
  readonly clouds: Map<string, SimulatedCloud>;

  private constructor(operator: MirrorOperator, clouds: Map<string, SimulatedCloud>) {
    this.operator = operator;
    this.clouds = clouds;
  }

  static async start(binDirectory: string): Promise<SimulatedTenants> {
    const clouds = new Map<string, SimulatedCloud>();
    const connect: ConnectCloud = async ({ name }) => {
      const cloud = clouds.get(name);
      if (cloud === undefined) throw new OpenStackError('AuthenticationFailed', 'identity: the cloud knows no such user, or another password', { service: 'identity' });
      // The tenant may come back to it.
      const { identity, compute, network, image, volume, requests } = cloud;
      return { name, identity, compute, network, image, requests, ...(volume === undefined ? {} : { volume }), [Symbol.asyncDispose]: async () => {} };
    };
    return new SimulatedTenants(await MirrorOperator.start({ binDirectory, speed: SPEED, connect }), clouds);
  }

  get admin(): KubeClient {
    return this.operator.admin;
  }

  eventually<T>(what: string, look: () => Promise<T | undefined | false>, seconds = 15): Promise<T> {
    return this.operator.eventually(what, look, seconds);
  }

  /** What mirrors something, of one kind. */
  async mirrored<T extends KubeObject>(resource: Resource<T>, namespace: string): Promise<readonly T[]> {
    return (await this.admin.listAll(resource, { namespace, labelSelector: LABEL_TENANT })).items;
  }

  tenant(namespace: string): Promise<OpenStackTenant> {
    return this.admin.get(openStackTenants, { namespace, name: TENANT });
  }

  /** Once the tenant says so of itself. */
  ready(namespace: string, reason = 'Synced', seconds?: number): Promise<OpenStackTenant> {
    return this.eventually(`tenant of ${namespace} being ${reason}`, async () => {
      const tenant = await this.tenant(namespace);
      return conditionOf(tenant.status?.conditions, 'Ready')?.reason === reason && tenant;
    }, seconds);
  }

  /** A cloud, a namespace and a tenant of the same name in it. */
  async given(name: string, spec: Partial<OpenStackTenantSpec> = {}, fill: (cloud: SimulatedCloud) => Promise<void> | void = () => {}): Promise<SimulatedCloud> {
    const cloud = new SimulatedCloud({ clock: this.operator.clock, actionMs: 2000 });
    await this.admin.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    await fill(cloud);
    this.clouds.set(name, cloud);
    await this.admin.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { namespace: name, name: 'clouds' }, data: { 'clouds.yaml': Buffer.from(simulatedCloudsYaml(name)).toString('base64') } });
    await this.admin.create(openStackTenants, { apiVersion: 'yadokari.dev/v1alpha1', kind: 'OpenStackTenant', metadata: { namespace: name, name: TENANT }, spec: { cloud: { secret: 'clouds' }, syncPeriodSeconds: 5, ...spec } });
    return cloud;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.operator[Symbol.asyncDispose]();
    for (const cloud of this.clouds.values()) await cloud[Symbol.asyncDispose]();
  }
}
