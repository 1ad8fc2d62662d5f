import { messageOf } from '../../base/errors.ts';
import { run } from '../../base/process.ts';
import type { ClusterStatus } from '../../local/cluster.ts';
import { networkPlan } from '../../local/network-plan.ts';
import type { DumpFile } from './objects.ts';

/** Asked on every node, in its own namespaces; the name is the file's. */
const nodeCommands: Readonly<Record<string, readonly string[]>> = {
  'addresses': ['ip', 'addr'],
  'routes': ['ip', 'route', 'show', 'table', 'all'],
  'rules': ['ip', 'rule'],
  'neighbours': ['ip', 'neigh'],
  'nft': ['nft', 'list', 'ruleset'],
  'bird.conf': ['cat', '/etc/yadokari/bird.conf'],
  'bird-protocols': ['birdc', '-s', '/run/yadokari/bird.ctl', 'show', 'protocols', 'all'],
  'virsh-list': ['virsh', '-c', 'qemu:///system', 'list', '--all', '--title'],
  'containers': ['ctr', '-n', 'k8s.io', 'containers', 'list'],
  'processes': ['ps', '-eo', 'pid,ppid,rss,etime,stat,comm'],
  'mounts': ['cat', '/proc/mounts'],
};

/** Of the host, only what belongs to the cluster. */
function hostCommands(index: number): Readonly<Record<string, readonly string[]>> {
  const { bridge, routeTable } = networkPlan(index);
  return {
    'bridge': ['ip', '-d', 'addr', 'show', 'dev', bridge],
    'ports': ['ip', 'link', 'show', 'master', bridge],
    'routes': ['ip', 'route', 'show', 'table', String(routeTable)],
    'rules': ['ip', 'rule'],
    'nft': ['nft', 'list', 'table', 'ip', bridge],
    'kernel': ['uname', '-a'],
    'memory': ['cat', '/proc/meminfo'],
    'disks': ['df', '-h'],
  };
}

export async function stateFiles(status: ClusterStatus, index: number, signal: AbortSignal): Promise<readonly DumpFile[]> {
  const nodes = status.nodes.map(({ name, initPid }) => (initPid === undefined ? [] : filesOf(`nodes/${name}`, nodeCommands, ['nsenter', '-t', String(initPid), '-m', '-u', '-i', '-n', '-p', '-C', '--'], signal)));
  return (await Promise.all([filesOf('host', hostCommands(index), [], signal), ...nodes])).flat();
}

async function filesOf(folder: string, commands: Readonly<Record<string, readonly string[]>>, prefix: readonly string[], signal: AbortSignal): Promise<readonly DumpFile[]> {
  return Promise.all(Object.entries(commands).map(async ([name, command]) => ({ path: `${folder}/${name}.txt`, text: await outputOf([...prefix, ...command], signal) })));
}

async function outputOf([file = '', ...args]: readonly string[], signal: AbortSignal): Promise<string> {
  const text = await run(file, args, { timeoutMs: 15_000, signal }).catch((error: unknown) => `${messageOf(error)}\n`);
  // Those of BGP peers.
  return text.replaceAll(/(password\s+)"[^"]*"/g, '$1"(left out)"');
}
