import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pods } from '../../src/kube/core.ts';
import { virtualMachines } from '../../src/kube/yadokari.ts';
import type { ClusterStatus } from '../../src/local/cluster.ts';
import { run } from '../../src/base/process.ts';
import { ipamBlocks } from '../../src/network/calico/kinds.ts';
import { handleOfVirtualMachine, hostInterfaceOf } from '../../src/network/handle.ts';
import { allocationsOf } from '../../src/network/ipam/block.ts';
import { words, type TestCluster } from './cluster.ts';

/** The API's objects against reality: what is there that nobody owns, what is there twice, and what should be there. */
export async function discrepancies(cluster: TestCluster, status: ClusterStatus): Promise<readonly string[]> {
  const hosts = status.nodes.filter(({ state }) => state === 'running');
  return [...await addressesAmiss(cluster), ...(await Promise.all(hosts.map(({ name, initPid = 0 }) => hostAmiss(cluster, name, initPid)))).flat()];
}

async function addressesAmiss({ client }: TestCluster): Promise<readonly string[]> {
  const [machines, allPods, blocks] = await Promise.all([client.listAll(virtualMachines), client.listAll(pods), client.listAll(ipamBlocks)]);
  const podAddresses = allPods.items.filter(({ spec, status }) => spec['hostNetwork'] !== true && !['Succeeded', 'Failed'].includes(status?.phase ?? '')).map(({ status }) => status?.podIP).filter((address) => address !== undefined);
  const ofMachines = new Map(machines.items.map(({ metadata, status }) => [handleOfVirtualMachine(metadata.namespace ?? '', metadata.name) as string, status?.address]));
  const held = new Map<string, string>();
  const found: string[] = podAddresses.filter((address, index) => podAddresses.indexOf(address) !== index).map((address) => `${address} is the address of two pods`);
  for (const { handle = '', address } of blocks.items.flatMap(({ spec }) => allocationsOf(spec)).filter((allocation) => allocation.handle?.startsWith('k8s-pod-network.'))) {
    if (held.has(handle)) found.push(`${handle} holds ${held.get(handle)} and ${address}`);
    held.set(handle, address);
    if (!ofMachines.has(handle) && !podAddresses.includes(address)) found.push(`${address} of ${handle} belongs to nobody`);
  }
  for (const [handle, address] of ofMachines) if (address !== undefined && held.get(handle) !== address) found.push(`${handle} does not hold ${address}`);
  const all = new Set(held.values());
  return [...found, ...podAddresses.filter((address) => !all.has(address)).map((address) => `${address} of a pod is held by nobody`)];
}

async function hostAmiss({ client, folder, status }: TestCluster, node: string, initPid: number): Promise<readonly string[]> {
  const inNode = (...command: readonly string[]): Promise<string> => run('nsenter', ['-t', String(initPid), '-a', '--', ...command], { timeoutMs: 15_000 });
  // Reality first: what appears in between is then no surprise.
  const [domains, links, routes, folders] = await Promise.all([
    inNode('virsh', '-q', 'list', '--all', '--uuid'), inNode('ip', '-o', 'link'), inNode('ip', '-4', 'route'), readdir(join(folder, status.name, 'nodes', node, 'var/lib/yadokari/guests')).catch(() => []),
  ]);
  const [machines, onNode, blocks] = await Promise.all([client.listAll(virtualMachines), client.listAll(pods, { fieldSelector: `spec.nodeName=${node}` }), client.listAll(ipamBlocks)]);
  const uids = new Set(machines.items.map(({ metadata }) => metadata.uid));
  const interfaces = new Set(onNode.items.map(({ metadata }) => hostInterfaceOf(metadata.namespace ?? '', metadata.name)));
  return [
    ...words(domains).filter((uid) => !uids.has(uid)).map((uid) => `domain ${uid} on ${node} is nobody's`),
    ...[...links.matchAll(/^\d+: (cali[0-9a-f]{11})[:@]/gm)].map(([, link = '']) => link).filter((link) => !interfaces.has(link)).map((link) => `interface ${link} on ${node} is nobody's`),
    ...blocks.items.filter(({ spec }) => !routes.includes(`${spec.cidr} `)).map(({ spec }) => `${node} has no route to ${spec.cidr}`),
    ...folders.filter((name) => !uids.has(name.split('.').at(-1) ?? '')).map((name) => `folder ${name} on ${node} is nobody's`),
  ];
}

/** Pids on this machine of the QEMU processes of a guest; two are a disaster. */
export async function qemuPids(uid: string): Promise<readonly number[]> {
  const entries = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const processes = await Promise.all(entries.map(async (pid) => ({ pid: Number(pid), command: (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0') })));
  return processes.filter(({ command }) => command[0]?.includes('qemu-system') === true && command[command.indexOf('-uuid') + 1] === uid).map(({ pid }) => pid);
}
