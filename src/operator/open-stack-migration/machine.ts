import type { ServerMigration } from '../../api/open-stack-migration.ts';
import { ANNOTATION_CLOUD_NAME, ANNOTATION_SERVER_GROUP, LABEL_MOVED_FROM, LABEL_SERVER_GROUP, LABEL_SUBDOMAIN, securityGroupLabel } from '../../api/open-stack-names.ts';
import { API_VERSION } from '../../api/group.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';
import { hostNameOf, labelOfId } from '../open-stack-tenant/names.ts';
import { keepsAddress } from './plan.ts';
import type { SourceServer } from './source-server.ts';
import type { StepContext } from './step.ts';

const HOST = 'kubernetes.io/hostname';

export interface MachineParts {
  /** The Secret with its public key, if there is one. */
  readonly keySecret: string | undefined;
  readonly userData: { readonly name: string; readonly key: string } | undefined;
}

/** The machine that a server becomes, on the claims into which its disks were copied. */
export function machineOf({ name, disks = [], ran, floating }: ServerMigration, source: SourceServer, { migration: { metadata: { namespace = 'default' }, spec }, tenant }: Pick<StepContext, 'migration' | 'tenant'>, { keySecret, userData }: MachineParts): VirtualMachine {
  const { server, size, flavorName, securityGroups, group, imageProperties } = source;
  const { dns } = tenant.spec;
  const instanceType = spec.map?.flavors?.[flavorName];
  return {
    apiVersion: API_VERSION,
    kind: 'VirtualMachine',
    metadata: {
      name, namespace,
      labels: {
        [LABEL_MOVED_FROM]: server.id,
        ...Object.fromEntries(securityGroups.map(({ id }) => [securityGroupLabel(id), ''])),
        ...(group === undefined ? {} : { [LABEL_SERVER_GROUP]: labelOfId(group.id) }),
        ...(dns === undefined ? {} : { [LABEL_SUBDOMAIN]: dns.subdomain }),
      },
      annotations: {
        [ANNOTATION_CLOUD_NAME]: server.name,
        ...(group === undefined ? {} : { [ANNOTATION_SERVER_GROUP]: `${group.name} (${group.policy})` }),
      },
    },
    spec: {
      runStrategy: ran === false ? 'Halted' : 'Always',
      ...(instanceType === undefined ? { cpu: size?.vcpus ?? 1, memory: `${size?.memoryMiB ?? 0}Mi` } : { instanceType }),
      ...(imageProperties['hw_firmware_type'] === 'uefi' ? { firmware: imageProperties['os_secure_boot'] === 'required' ? 'uefiSecure' as const : 'uefi' as const } : {}),
      disks: disks.map((disk) => ({ name: disk.name, persistentVolumeClaim: disk.claim })),
      network: { ...networkOf(source, spec), ...(floating === undefined ? {} : { floatingAddress: floating.address }) },
      hostname: hostNameOf(server),
      ...(dns === undefined ? {} : { subdomain: dns.subdomain }),
      // Found by its label alone, whatever the guest was booted with; with the id that it has met before nothing is set up anew.
      cloudInit: {
        source: 'ConfigDrive', instanceID: server.id,
        ...(Object.keys(server.metadata).length === 0 ? {} : { metadata: server.metadata }),
        ...(server.availabilityZone === undefined ? {} : { availabilityZone: server.availabilityZone }),
        ...(userData === undefined ? {} : { userDataSecret: userData }),
      },
      ...(keySecret === undefined ? {} : { sshKeys: [{ secret: keySecret }] }),
      ...(group === undefined ? {} : { affinity: affinityOf(group) }),
    },
  };
}

function networkOf({ interfaces: [first] }: SourceServer, spec: StepContext['migration']['spec']): NonNullable<VirtualMachine['spec']['network']> {
  if (first === undefined) return {};
  return { macAddress: first.port.macAddress, ...(first.fixed !== undefined && keepsAddress(first, spec) ? { address: first.fixed.address } : {}) };
}

/** A server group's policy, as the scheduler of Kubernetes has it. */
function affinityOf({ id, policy }: NonNullable<SourceServer['group']>): object {
  const term = { labelSelector: { matchLabels: { [LABEL_SERVER_GROUP]: labelOfId(id) } }, topologyKey: HOST };
  const side = policy.endsWith('anti-affinity') ? 'podAntiAffinity' : 'podAffinity';
  return { [side]: policy.startsWith('soft-') ? { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: term }] } : { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
}
