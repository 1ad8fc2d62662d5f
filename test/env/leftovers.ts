import { readdir, readFile } from 'node:fs/promises';
import { run } from '../../src/base/process.ts';
import type { ClusterLayout } from '../../src/local/layout.ts';
import type { NetworkPlan } from '../../src/local/network-plan.ts';

/** All of one local cluster that can be seen from outside, whoever else uses the host: empty once it has left nothing but files. */
export async function tracesOf(plan: NetworkPlan, layout: ClusterLayout): Promise<readonly string[]> {
  const lines = (text: string, ...parts: readonly string[]) => text.split('\n').filter((line) => parts.some((part) => line.includes(part)));
  const [links, namespaces, tables, rules, routes, mounts] = await Promise.all([
    run('ip', ['-o', 'link']), run('ip', ['netns']), run('nft', ['list', 'tables']), run('ip', ['rule']), run('ip', ['route', 'show', 'table', 'all']), readFile('/proc/self/mounts', 'utf8'),
  ]);
  const processes = await Promise.all((await readdir('/proc')).filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  const cgroups = await run('find', ['/sys/fs/cgroup', '-type', 'd', '-path', `*/yadokari/${layout.name}*`]);
  return [
    ...lines(links, ` ${plan.bridge}:`, ` ${plan.bridge}-`), ...lines(namespaces, `${plan.bridge}-`), ...tables.split('\n').filter((line) => line.endsWith(` ${plan.bridge}`)),
    ...lines(rules, `lookup ${plan.routeTable}`), ...lines(routes, `dev ${plan.bridge} `, `table ${plan.routeTable}`), ...lines(mounts, layout.root, `${plan.bridge}-`),
    ...processes.filter((text) => text.includes(layout.root)).map((text) => text.replaceAll('\0', ' ')), ...cgroups.split('\n').filter((line) => line !== ''),
  ];
}

/** Command lines of a cluster's processes, as its cgroups have them: those of guests and containers too. */
export async function processesOf(layout: ClusterLayout): Promise<readonly string[]> {
  // Groups come and go while they are read, and threaded ones cannot be: what can be read is enough.
  const pids = await run('sh', ['-c', 'find /sys/fs/cgroup -path "*/yadokari/$0/*" -name cgroup.procs -exec cat {} + 2>/dev/null; true', layout.name]);
  const unique = [...new Set(pids.split('\n').filter((pid) => pid !== ''))];
  return Promise.all(unique.map(async (pid) => (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ')));
}
