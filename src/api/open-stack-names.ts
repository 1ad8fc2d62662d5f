/** Labels, annotations and names by which objects that mirror a cloud's are told from others. */
export const OPENSTACK_PREFIX = 'openstack.yadokari.dev/';

/** On what mirrors something of an OpenStack cloud: the OpenStackTenant, and the id of that something. */
export const LABEL_TENANT = `${OPENSTACK_PREFIX}tenant`;
export const LABEL_CLOUD_ID = `${OPENSTACK_PREFIX}id`;
/** On those that live in no namespace: the tenant's namespace, and its uid for as long as the tenant keeps them. */
export const LABEL_TENANT_NAMESPACE = `${OPENSTACK_PREFIX}namespace`;
export const LABEL_TENANT_UID = `${OPENSTACK_PREFIX}tenant-uid`;
/** On machines: one for each security group, by its id and without a value; and the id of the server group. */
export const LABEL_SECURITY_GROUP_PREFIX = `${OPENSTACK_PREFIX}sg-`;
export const LABEL_SERVER_GROUP = `${OPENSTACK_PREFIX}server-group`;
/** The name as the cloud has it. */
export const ANNOTATION_CLOUD_NAME = `${OPENSTACK_PREFIX}name`;
/** What the kind has no field for, in JSON. */
export const ANNOTATION_DETAILS = `${OPENSTACK_PREFIX}details`;
/** On machines: name and policy of the server group. */
export const ANNOTATION_SERVER_GROUP = `${OPENSTACK_PREFIX}server-group`;

/** On machines that were moved here: the id of the server. */
export const LABEL_MOVED_FROM = `${OPENSTACK_PREFIX}moved-from`;
/** On machines that were moved here: the subdomain that their tenant names in DNS, for the Service of that name to select. */
export const LABEL_SUBDOMAIN = `${OPENSTACK_PREFIX}subdomain`;
/** On claims and pods of a migration: its name. */
export const LABEL_MIGRATION = `${OPENSTACK_PREFIX}migration`;
/** On what moved machines need and no tenant has any more: the id of what it was made of. */
export const LABEL_KEPT = `${OPENSTACK_PREFIX}kept`;

/** Kept on an OpenStackMigration until nothing of it is left in the cloud. */
export const FINALIZER_MIGRATION = `${OPENSTACK_PREFIX}migration`;
/** Kept on an OpenStackTenant until nothing that mirrors its project is left. */
export const FINALIZER_MIRROR = `${OPENSTACK_PREFIX}mirror`;
/** Driver of PersistentVolumes that are volumes of a cloud; nothing serves it, so that nobody attaches them by accident. */
export const OPENSTACK_VOLUME_DRIVER = 'openstack.csi.yadokari.dev';

/** The label that a machine has for each security group of its server. */
export function securityGroupLabel(id: string): string {
  return `${LABEL_SECURITY_GROUP_PREFIX}${id}`;
}
