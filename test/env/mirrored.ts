/** What all labels and annotations of the mirror begin with. */
export const CLOUD = 'openstack.yadokari.dev/';

/** A tenant whose project is mirrored. */
export interface MirroredTenant {
  readonly namespace: string;
  readonly name: string;
  readonly isManaged: boolean;
  /** Names that things of the cloud had before they were renamed, by ids: the objects here keep theirs. */
  readonly formerly: ReadonlyMap<string, string>;
}

type Fields = Readonly<Record<string, unknown>>;

/** An object of Kubernetes that mirrors something, without what is not the mirror's. Details of the annotation are parsed. */
export interface Shown {
  readonly kind: string;
  /** As the label has it. */
  readonly id: string;
  readonly name: string;
  /** Those of the mirror, but for tenant and id. */
  readonly labels: Fields;
  readonly annotations: Fields;
  /** Such as `{ spec }`. */
  readonly body: Fields;
  readonly status?: Fields;
}

/** `Web Server_1` as a name here. */
export function slugOf(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-|-$/g, '');
}

/** What an object is called here that mirrors this. */
export function nameHere({ id, name }: { readonly id: string; readonly name: string }, { formerly }: MirroredTenant): string {
  return slugOf(formerly.get(id) ?? name);
}

/** Without fields that are undefined. */
export function known(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
