import { Type, type Static } from 'typebox';
import { conditions, dnsLabel, listMap, objectName, oneOf, textMap, time, withRules } from '../schema/field.ts';
import type { KindDefinition } from '../schema/kind.ts';
import { GROUP, VERSION } from './group.ts';

/** Lines of `status.problems` at most; what is more is counted in the last one. */
export const MOST_PROBLEMS = 64;

const cloud = Type.Object({
  secret: objectName('A Secret of this namespace; its key clouds.yaml says where the cloud is, and who is to be authenticated in which project. Certificates in it are written out, since files of the operator are not read.'),
  name: Type.Optional(Type.String({ description: 'Which cloud of the clouds.yaml. Default: the only one.', minLength: 1, maxLength: 253 })),
}, { description: 'The project that is mirrored.' });

const servers = Type.Object({
  mode: Type.Optional(oneOf(['Observe', 'Manage'], {
    description: 'Observe: what is changed here is put back. Manage: runStrategy and yado start, stop and restart of a machine reach its server. Default Observe.',
  })),
  selector: Type.Optional(Type.Object({
    metadata: Type.Optional(textMap('Metadata that a server must have, all of it.', { maxProperties: 32, maxLength: 255 })),
  }, { description: 'Which servers. Default: all of the project.' })),
}, { description: 'Servers, which are VirtualMachines here.' });

function observed(what: string) {
  return Type.Optional(Type.Object({
    mode: Type.Optional(oneOf(['Observe', 'Ignore'], { description: 'Observe: they are shown here. Ignore: they are not. Default Observe.' })),
  }, { description: what }));
}

const connectedRouter = Type.Object({
  name: Type.String({ description: 'Name or id of a router of the project.', minLength: 1, maxLength: 255 }),
  nextHop: withRules(
    Type.String({ description: 'Where it sends what is for pods and machines here: the address of a node, or one that nodes share, on a network that the router has.', maxLength: 15 }),
    { rule: 'isIP(self) && ip(self).family() == 4', messageExpression: "'nextHop is ' + self + '; it must be an IPv4 address such as 203.0.113.20'" },
  ),
});

const spec = Type.Object({
  cloud,
  servers: Type.Optional(servers),
  flavors: observed('Flavors, which are InstanceTypes here.'),
  images: observed('Images, which are VirtualMachineImages here.'),
  volumes: observed('Volumes, which are PersistentVolumes with a PersistentVolumeClaim here.'),
  networks: observed('Subnets of networks, which are disabled IPPools of Calico here.'),
  securityGroups: observed('Security groups, which are NetworkPolicies of Calico here.'),
  keypairs: observed('Public keys, which are Secrets here.'),
  quotas: observed('Quotas, which are in the status.'),
  dns: Type.Optional(Type.Object({
    subdomain: dnsLabel('With a headless Service of this name servers have the DNS names <hostname>.<subdomain>.<namespace>.svc, as machines with such a subdomain have. Machines that servers are moved to get it too.'),
  }, { description: "Names of servers in the cluster's DNS. Default: none." })),
  connect: Type.Optional(Type.Object({
    routers: listMap(connectedRouter, ['name'], { description: 'Routers that get static routes to the IPPools of this cluster.', maxItems: 16 }),
  }, { description: 'How servers reach pods and machines here. Default: not at all.' })),
  syncPeriodSeconds: Type.Optional(Type.Integer({ description: 'How often the cloud is asked what has changed, in seconds: 5 to 3600. Default 30.', minimum: 5, maximum: 3600 })),
  onDelete: Type.Optional(oneOf(['Detach', 'Keep'], {
    description: 'What becomes of the objects here when the tenant is deleted; the cloud keeps all. Detach: they go. Keep: they stay as they are, and a tenant of the same name takes them up again. Default Detach.',
  })),
}, { description: 'A project of an OpenStack cloud, and what of it is shown here.' });

const count = Type.Object({
  kind: Type.String({ description: 'What is counted, such as servers.' }),
  there: Type.Integer({ description: 'In the cloud.' }),
  here: Type.Optional(Type.Integer({ description: 'Objects here that mirror them, for kinds that have any.' })),
});

const quota = Type.Object({
  name: Type.String({ description: 'The cloud\'s own name, such as instances, cores, ram (MiB) and gigabytes.' }),
  limit: Type.Optional(Type.Integer({ format: 'int64', description: 'Most that the project may have. Absent: as much as there is.' })),
  used: Type.Integer({ format: 'int64', description: 'What it has, with what is reserved for it.' }),
});

const route = Type.Object({
  router: Type.String({ description: 'Id of the router.' }),
  destination: Type.String({ description: 'A network of pods and machines here.' }),
  nextHop: Type.String({ description: 'Where it leads.' }),
});

const status = Type.Object({
  conditions: Type.Optional(conditions()),
  project: Type.Optional(Type.Object({
    id: Type.String({ description: 'Its id.' }),
    name: Type.String({ description: 'Its name.' }),
  }, { description: 'The project, as the cloud calls it.' })),
  counts: Type.Optional(listMap(count, ['kind'], { description: 'How much there is of each kind.', maxItems: 32 })),
  quota: Type.Optional(listMap(quota, ['name'], { description: 'What the project may have. Nothing here is held to it: a ResourceQuota would count local pods and claims of the namespace too.', maxItems: 128 })),
  routes: Type.Optional(listMap(route, ['router', 'destination', 'nextHop'], { description: 'Static routes that routers of the project have, or are about to have, for this tenant.', maxItems: 512 })),
  problems: Type.Optional(Type.Array(Type.String({ maxLength: 512 }), { description: 'What is not mirrored, and why.', maxItems: MOST_PROBLEMS })),
  lastSync: Type.Optional(Type.Object({
    time: time('When it ended.'),
    requests: Type.Integer({ description: 'Calls of the cloud that it took.' }),
    seconds: Type.Number({ description: 'How long it took.' }),
    changes: Type.Integer({ description: 'Objects of the cloud that had changed.' }),
  }, { description: 'The last sync that brought a change; of those that bring none, one in five minutes.' })),
});

export type OpenStackTenantSpec = Static<typeof spec>;
export type OpenStackTenantStatus = Static<typeof status>;

export const openStackTenant: KindDefinition = {
  group: GROUP,
  version: VERSION,
  kind: 'OpenStackTenant',
  plural: 'openstacktenants',
  shortNames: ['ost'],
  scope: 'Namespaced',
  description: 'A project of an OpenStack cloud, mirrored into this namespace, beside what is there.',
  spec,
  status,
  rules: [{ rule: "self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')", message: 'the name of an OpenStackTenant has at most 63 characters and no dots, so that labels can have it' }],
  columns: [
    { name: 'Cloud', type: 'string', jsonPath: '.spec.cloud.secret', description: 'The Secret that says where the cloud is.' },
    { name: 'Project', type: 'string', jsonPath: '.status.project.name', description: 'The project.' },
    { name: 'Ready', type: 'string', jsonPath: ".status.conditions[?(@.type=='Ready')].status", description: 'Whether all of it is mirrored as it is.' },
    { name: 'Reason', type: 'string', jsonPath: ".status.conditions[?(@.type=='Ready')].reason", description: 'Why.' },
    { name: 'Servers', type: 'integer', jsonPath: ".status.counts[?(@.kind=='servers')].there", description: 'Servers in the project.' },
  ],
};
