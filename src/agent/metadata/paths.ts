/** Versions that clients ask for; all are served as the latest. */
const EC2_VERSIONS: readonly string[] = ['2009-04-04', 'latest'];
const OPENSTACK_VERSIONS: readonly string[] = ['2018-08-27', 'latest'];

type Tree = Readonly<Record<string, unknown>>;

/**
 * What is at a path of the metadata service, given the files of a guest (`openstack/latest/…` and `ec2/latest/…`) and its
 * address; undefined where there is nothing. Folders are lists, one name a line. Pure.
 */
export function metadataAt(path: string, files: ReadonlyMap<string, string>, address: string): string | undefined {
  const [first = '', ...rest] = path.split('/').filter((part) => part !== '');
  if (first === '') return linesOf([...EC2_VERSIONS]);
  if (first === 'openstack') return openStackAt(rest, files);
  return EC2_VERSIONS.includes(first) ? ec2At(rest, files, address) : undefined;
}

function openStackAt([version, name, ...rest]: readonly string[], files: ReadonlyMap<string, string>): string | undefined {
  if (version === undefined) return linesOf(OPENSTACK_VERSIONS);
  if (!OPENSTACK_VERSIONS.includes(version) || rest.length > 0) return undefined;
  const folder = 'openstack/latest/';
  if (name === undefined) return linesOf([...files.keys()].filter((path) => path.startsWith(folder)).map((path) => path.slice(folder.length)));
  return files.get(`${folder}${name}`);
}

function ec2At([name, ...rest]: readonly string[], files: ReadonlyMap<string, string>, address: string): string | undefined {
  const userData = files.get('ec2/latest/user-data');
  if (name === undefined) return linesOf(['meta-data/', ...(userData === undefined ? [] : ['user-data'])]);
  if (name === 'user-data') return rest.length === 0 ? userData : undefined;
  if (name !== 'meta-data') return undefined;
  const known = JSON.parse(files.get('ec2/latest/meta-data.json') ?? '{}') as Tree;
  let found: unknown = { ...known, 'local-ipv4': address };
  for (const part of rest) {
    if (!isTree(found) || !Object.hasOwn(found, part) || part.startsWith('_')) return undefined;
    found = found[part];
  }
  return isTree(found) ? linesOf(namesIn(found)) : String(found);
}

/** Public keys are listed with their names, all else that is a folder with a slash. */
function namesIn(tree: Tree): readonly string[] {
  return Object.entries(tree).filter(([name]) => !name.startsWith('_')).map(([name, value]) => (isTree(value) ? typeof value['_name'] === 'string' ? value['_name'] : `${name}/` : name)).sort();
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null;
}

function linesOf(names: readonly string[]): string {
  return names.join('\n');
}
